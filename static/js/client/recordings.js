/** Recordings and snapshots over HTTP. */
import { getJson, request, token } from "./api.js";

const path = (/** @type {string} */ session) => `/sessions/${encodeURIComponent(session)}`;
const file = (/** @type {string} */ id) => `/recordings/${encodeURIComponent(id)}`;

/** @param {string} session @returns {Promise<any>} a RECORDING of the protocol */
export async function startRecording(session) {
  return (await request(`${path(session)}/recording`, { method: "POST" })).json();
}

/** @param {string} session @returns {Promise<any>} the RECORDING that ended */
export async function stopRecording(session) {
  return (await request(`${path(session)}/recording`, { method: "DELETE" })).json();
}

/** @returns {Promise<any[]>} */
export async function listRecordings() {
  return (await getJson("/recordings")).recordings;
}

/** @param {string} id */
export async function removeRecording(id) {
  await request(file(id), { method: "DELETE" });
}

/**
 * Save a recording. A link cannot carry a token; with one the file passes through memory.
 * @param {{id: string, file: string}} recording
 */
export async function saveRecording({ id, file: name }) {
  if (token() === null) return save(file(id), name);
  await saveBlob(await request(file(id)), name);
}

/** @param {string} session @param {"input"|"output"} of */
export async function saveSnapshot(session, of) {
  await saveBlob(await request(`${path(session)}/snapshot.png?of=${of}`), `${session}-${of}.png`);
}

/** @param {Response} response @param {string} name */
async function saveBlob(response, name) {
  const url = URL.createObjectURL(await response.blob());
  save(url, name);
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

/** @param {string} url @param {string} name */
function save(url, name) {
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
}
