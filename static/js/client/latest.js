/** Sends changes one request at a time; what comes meanwhile is merged, so that the latest wins. */
export class Latest {
  /** @type {Record<string, any>|null} */
  #waiting = null;
  #busy = false;
  #send;

  /** @param {(changes: Record<string, any>) => Promise<void>} send must not reject */
  constructor(send) {
    this.#send = send;
  }

  /** @param {Record<string, any>} changes */
  push(changes) {
    this.#waiting = { ...this.#waiting, ...changes };
    if (!this.#busy) void this.#drain();
  }

  async #drain() {
    this.#busy = true;
    while (this.#waiting) {
      const changes = this.#waiting;
      this.#waiting = null;
      await this.#send(changes);
    }
    this.#busy = false;
  }
}
