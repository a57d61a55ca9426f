/** A session that the server feeds by itself: its source, and its settings over HTTP. */
import { ApiError, getJson, postJson, request } from "./api.js";

const OVER = ["ended", "failed"];

/** @param {string} method @param {string} path @param {unknown} body */
async function sendJson(method, path, body) {
  const headers = { "Content-Type": "application/json" };
  return (await request(path, { method, headers, body: JSON.stringify(body) })).json();
}

/** @param {string} session */
const pathOf = (session) => `/sessions/${encodeURIComponent(session)}`;

/** A source of the server, in the place of a camera. */
export class RemoteSource {
  #wish;
  #session = "";

  /** @param {{url: string, loop: boolean}} wish */
  constructor(wish) {
    this.#wish = wish;
  }

  /** Make the session, or join it; a source that runs already goes on. @param {Record<string, any>} wishes */
  async start({ session, ...choice }) {
    if (this.#session && (await this.#runs())) return this.#session;
    try {
      const body = { ...choice, ...(session ? { name: session } : {}), source: this.#wish };
      this.#session = (await postJson("/sessions", body)).name;
    } catch (error) {
      if (!(error instanceof ApiError) || error.code !== "session_exists") throw error;
      await sendJson("PATCH", pathOf(session), choice);
      await sendJson("PUT", `${pathOf(session)}/source`, this.#wish);
      this.#session = session;
    }
    return this.#session;
  }

  async #runs() {
    try {
      const { publisher } = await getJson(pathOf(this.#session));
      return publisher?.role === "source" && !OVER.includes(publisher.state);
    } catch (error) {
      if (error instanceof ApiError && error.status === 404) return false;
      throw error;
    }
  }

  /** As the control channel of a publisher does. @param {Record<string, any>} message @returns {Promise<any>} */
  async ask({ type, stage = "main", settings, ...choice }) {
    const path = pathOf(this.#session);
    if (type === "settings") return sendJson("PATCH", `${path}/stages/${encodeURIComponent(stage)}/settings`, settings);
    return { session: await sendJson("PATCH", path, settings ? { ...choice, settings } : choice) };
  }

  /** End the source; the session waits for another one. */
  close() {
    if (this.#session) void request(`${pathOf(this.#session)}/source`, { method: "DELETE" }).catch(() => {});
    this.#session = "";
  }
}
