/** Presets over HTTP. */
import { getJson, postJson, request } from "./api.js";

/** @typedef {{name: string, built_in: boolean, description: string, pipeline: string, made_by: string, error: string|null}} Entry */
/** @typedef {{field: string, reason: string}} LeftOut */

const path = (/** @type {string} */ name) => `/presets/${encodeURIComponent(name)}`;

/** @typedef {{name: string, chain: any, left_out: LeftOut[]}} Default */

/** @returns {Promise<{default: Default|null, presets: Entry[]}>} */
export const listPresets = () => getJson("/presets");

/** What of a preset would run. @param {string} name @returns {Promise<{chain: any, left_out: LeftOut[]}>} */
export const chainOf = (name) => getJson(`${path(name)}/chain`);

/** Put a preset in place of what runs. @param {string} session @param {string} name @returns {Promise<any>} */
export const loadPreset = (session, name) => postJson(`/sessions/${encodeURIComponent(session)}/preset`, { name });

/** @param {string} name @param {string} session @param {boolean} replace */
export const savePreset = (name, session, replace) => postJson("/presets", { name, session, replace });

/** @param {string} name @param {string} text the preset's JSON @returns {Promise<{name: string, left_out: LeftOut[]}>} */
export async function importPreset(name, text) {
  const headers = { "Content-Type": "application/json" };
  return (await request(path(name), { method: "PUT", headers, body: text })).json();
}

/** @param {string} name @returns {Promise<Blob>} */
export const exportPreset = async (name) => (await request(path(name))).blob();

/** @param {string} name */
export const removePreset = (name) => request(path(name), { method: "DELETE" });
