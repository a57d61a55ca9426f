/** Changes of settings: by the data channel, or by HTTP where they are too long for it. */
import { request } from "./api.js";

/** The server takes messages of 65536 bytes (its SDP says so); a character may have three. */
const MAX_CHANNEL_CHARACTERS = 20000;

/**
 * @param {{control: {ask: (message: any) => Promise<any>}, session: string}} peer
 * @param {Record<string, any>} settings
 * @returns {Promise<{settings: Record<string, any>}>} what is in force; rejects with ApiError
 */
export async function sendSettings(peer, settings) {
  const body = JSON.stringify(settings);
  if (!peer.session || body.length <= MAX_CHANNEL_CHARACTERS) {
    return peer.control.ask({ type: "settings", settings });
  }
  const path = `/sessions/${encodeURIComponent(peer.session)}/settings`;
  const headers = { "Content-Type": "application/json" };
  return (await request(path, { method: "PATCH", headers, body })).json();
}
