/** The data channel `control`: requests with replies, and what the server pushes. */
import { ApiError } from "./api.js";

const REPLY_TIMEOUT_MS = 15000;

export class Control extends EventTarget {
  #channel;
  #next = 1;
  /** @type {Map<number, {resolve: (message: any) => void, reject: (error: Error) => void, timer: any}>} */
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

  /**
   * What is asked while the session is being opened waits for the channel.
   * @param {Record<string, any>} message @returns {Promise<any>} the reply; rejects with ApiError
   */
  ask(message) {
    const state = this.#channel.readyState;
    if (state !== "open" && state !== "connecting") {
      return Promise.reject(new ApiError(0, { code: "closed", message: "Not connected." }));
    }
    const id = this.#next++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject, timer: undefined });
      if (state === "open") this.#send(id, message);
      else this.#channel.addEventListener("open", () => this.#send(id, message), { once: true });
    });
  }

  /** @param {number} id @param {Record<string, any>} message */
  #send(id, message) {
    const waiting = this.#waiting.get(id);
    if (!waiting) return;
    waiting.timer = setTimeout(() => {
      this.#waiting.delete(id);
      waiting.reject(new ApiError(0, { code: "timeout", message: "The server did not reply." }));
    }, REPLY_TIMEOUT_MS);
    this.#channel.send(JSON.stringify({ ...message, id }));
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
