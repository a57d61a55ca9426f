/** Server-sent events of a session, by `fetch`, because `EventSource` cannot send the token. */
import { ApiError, getJson, request } from "./api.js";

const RETRY_MS = 2000;
const OPENING_RETRY_MS = 300;

/** Puts chunks of a `text/event-stream` together; what is no event (comments) is skipped. */
export class EventParser {
  #rest = "";

  /** @param {string} text @returns {{kind: string, body: any}[]} the events that are complete now */
  push(text) {
    const blocks = (this.#rest + text).split("\n\n");
    this.#rest = blocks.pop() ?? "";
    return blocks.flatMap((block) => {
      const lines = block.split("\n");
      const kind = lines.find((line) => line.startsWith("event: "))?.slice(7);
      const data = lines.find((line) => line.startsWith("data: "))?.slice(6);
      return kind && data ? [{ kind, body: JSON.parse(data) }] : [];
    });
  }
}

/** Events: `state` (detail: SESSION), `ended` (detail: reason, code). Comes back when the line breaks. */
export class SessionEvents extends EventTarget {
  #abort = new AbortController();
  #opening;

  /** @param {string} session @param {{opening?: boolean}} [options] opening: it may not be there yet */
  constructor(session, { opening = false } = {}) {
    super();
    this.#opening = opening;
    void this.#follow(`/sessions/${encodeURIComponent(session)}/events`);
  }

  /** @param {string} path */
  async #follow(path) {
    while (!this.#abort.signal.aborted) {
      try {
        if (await this.#read(path)) return;
      } catch (error) {
        const refused = error instanceof ApiError && error.status >= 400 && error.status < 500;
        if (refused && !this.#opening) return;
      }
      await new Promise((resolve) => setTimeout(resolve, this.#opening ? OPENING_RETRY_MS : RETRY_MS));
    }
  }

  /** @param {string} path @returns {Promise<boolean>} whether the session has ended */
  async #read(path) {
    const response = await request(path, { signal: this.#abort.signal });
    const parser = new EventParser();
    const decoder = new TextDecoder();
    const reader = /** @type {ReadableStream<Uint8Array>} */ (response.body).getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return false;
      for (const { kind, body } of parser.push(decoder.decode(value, { stream: true }))) {
        this.dispatchEvent(new CustomEvent(kind, { detail: body }));
        if (kind === "ended") return true;
      }
    }
  }

  close() {
    this.#abort.abort();
  }
}

/**
 * Events for pages whose control channel tells the rest: only a worker's death comes over no channel. Without workers there is
 * none to hear of, and a browser has but six connections to a host, for all its tabs.
 * @param {string} session @returns {Promise<SessionEvents|null>}
 */
export async function workerEvents(session) {
  const { workers } = await getJson("/health").catch(() => ({ workers: [] }));
  return workers.length ? new SessionEvents(session) : null;
}
