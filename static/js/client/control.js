/** The data channel `control`: requests with replies, and what the server pushes. */
import { ApiError } from "./api.js";

const REPLY_TIMEOUT_MS = 15000;

export class Control extends EventTarget {
  #channel;
  #next = 1;
  /** @type {Map<number, {resolve: (message: any) => void, reject: (error: Error) => void, timer: number}>} */
  #waiting = new Map();

  /** @param {RTCDataChannel} channel */
  constructor(channel) {
    super();
    this.#channel = channel;
    channel.addEventListener("message", (event) => this.#receive(event.data));
    channel.addEventListener("close", () => this.close());
  }

  get open() {
    return this.#channel.readyState === "open";
  }

  /** @param {Record<string, any>} message @returns {Promise<any>} the reply; rejects with ApiError */
  ask(message) {
    if (!this.open) return Promise.reject(new ApiError(0, { code: "closed", message: "Not connected." }));
    const id = this.#next++;
    return new Promise((resolve, reject) => {
      const timer = window.setTimeout(() => {
        this.#waiting.delete(id);
        reject(new ApiError(0, { code: "timeout", message: "The server did not reply." }));
      }, REPLY_TIMEOUT_MS);
      this.#waiting.set(id, { resolve, reject, timer });
      this.#channel.send(JSON.stringify({ ...message, id }));
    });
  }

  /** @param {Record<string, any>} message */
  tell(message) {
    if (this.open) this.#channel.send(JSON.stringify(message));
  }

  /** @param {string} data */
  #receive(data) {
    const message = JSON.parse(data);
    const waiting = this.#waiting.get(message.id);
    if (waiting) {
      this.#waiting.delete(message.id);
      clearTimeout(waiting.timer);
      if (message.type === "error") waiting.reject(new ApiError(422, message.error));
      else waiting.resolve(message);
      return;
    }
    this.dispatchEvent(new CustomEvent(message.type, { detail: message }));
  }

  close() {
    for (const { reject, timer } of this.#waiting.values()) {
      clearTimeout(timer);
      reject(new ApiError(0, { code: "closed", message: "The connection ended." }));
    }
    this.#waiting.clear();
  }
}
