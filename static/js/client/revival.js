/** Whether to come back by itself after a worker's death: once, so that a pipeline that kills its worker does not go on doing so. */
const FORGET_MS = 60000;

export class Revival {
  /** @type {number|null} */
  #last = null;

  /** @param {{code: string}} ended @param {number} nowMs any monotonic clock @returns {boolean} */
  allows(ended, nowMs) {
    if (ended.code !== "worker_died") return false;
    if (this.#last !== null && nowMs - this.#last < FORGET_MS) return false;
    this.#last = nowMs;
    return true;
  }
}
