/** Changes of a session: by the data channel, or by HTTP where they are too long for it. */
import { request } from "./api.js";

/** The server takes messages of 65536 bytes (its SDP says so); a character may have three. */
const MAX_CHANNEL_CHARACTERS = 20000;

/** @typedef {{control: {ask: (message: any) => Promise<any>}, session: string}} Asked */

/**
 * @param {Asked} peer @param {Record<string, any>} settings @param {string} [stage] one of the chain; else the main pipeline
 * @returns {Promise<{settings: Record<string, any>}>} what is in force; rejects with ApiError
 */
export async function sendSettings(peer, settings, stage) {
  if (fits(peer, settings)) {
    return peer.control.ask({ type: "settings", ...(stage ? { stage } : {}), settings });
  }
  return patch(peer, stage ? `/stages/${encodeURIComponent(stage)}/settings` : "/settings", settings);
}

/**
 * Switch pipelines, modes, load parameters or stages. A chain carries all settings of its stages.
 * @param {Asked} peer @param {Record<string, any>} wish
 * @returns {Promise<{session: any}>} the SESSION after the switch; rejects with ApiError
 */
export async function sendSession(peer, wish) {
  if (fits(peer, wish)) return peer.control.ask({ type: "session", ...wish });
  return { session: await patch(peer, "", wish) };
}

/** @param {Asked} peer @param {Record<string, any>} values */
function fits(peer, values) {
  return !peer.session || JSON.stringify(values).length <= MAX_CHANNEL_CHARACTERS;
}

/** @param {Asked} peer @param {string} path @param {Record<string, any>} values */
async function patch(peer, path, values) {
  const headers = { "Content-Type": "application/json" };
  const options = { method: "PATCH", headers, body: JSON.stringify(values) };
  return (await request(`/sessions/${encodeURIComponent(peer.session)}${path}`, options)).json();
}
