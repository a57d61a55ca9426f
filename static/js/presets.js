/** What the preset bar asks for, done. */
import { ApiError } from "./client/api.js";
import * as client from "./client/presets.js";
import { PresetBar } from "./components/preset-bar.js";
import { strings } from "./strings.js";

const RELEASE_MS = 10_000; // a browser may read the download after the click

/**
 * @param {PresetBar} bar
 * @param {{session: () => string|null, show: (chain: any) => void, report: (error: unknown) => void}} page
 *   `session` names the one that runs; `show` fills the page's controls with a chain.
 * @returns {Promise<void>} done when the list is there and the server's default is shown
 */
export async function wirePresets(bar, page) {
  const refresh = async (/** @type {string} */ chosen = bar.chosen) => {
    const listing = await client.listPresets();
    bar.show(listing.presets, chosen);
  };
  const load = async (/** @type {string} */ name) => {
    const session = page.session();
    const loaded = session ? await client.loadPreset(session, name) : await client.chainOf(name);
    page.show(loaded.chain ?? loaded);
    bar.tell(strings.presetLoaded(name), loaded.left_out);
  };
  const save = async (/** @type {string} */ name) => {
    const session = page.session();
    if (!session) return;
    try {
      await client.savePreset(name, session, false);
    } catch (error) {
      if (!(error instanceof ApiError) || error.code !== "preset_exists") throw error;
      if (!confirm(strings.replacePreset(name))) return;
      await client.savePreset(name, session, true);
    }
    await refresh(name);
    bar.tell(strings.presetSaved(name));
  };
  const take = async (/** @type {File} */ file) => {
    const text = await file.text();
    const name = nameIn(text) ?? file.name.replace(/\.json$/i, "");
    if (bar.has(name) && !confirm(strings.replacePreset(name))) return;
    const imported = await client.importPreset(name, text);
    await refresh(imported.name);
    bar.tell(strings.presetSaved(imported.name), imported.left_out);
  };
  const give = async (/** @type {string} */ name) => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(await client.exportPreset(name));
    link.download = `${name.replaceAll(":", "-")}.json`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), RELEASE_MS);
  };
  const remove = async (/** @type {string} */ name) => {
    if (!confirm(strings.reallyRemove(name))) return;
    await client.removePreset(name);
    await refresh("");
    bar.tell("");
  };
  for (const [kind, work] of Object.entries({ load, save, import: take, export: give, remove })) {
    bar.addEventListener(kind, (event) => {
      const detail = /** @type {CustomEvent} */ (event).detail;
      work(detail).catch((/** @type {unknown} */ error) => {
        if (error instanceof ApiError) bar.tell(error.message);
        else page.report(error);
      });
    });
  }
  const listing = await client.listPresets();
  bar.show(listing.presets, listing.default?.name);
  if (!listing.default) return;
  page.show(listing.default.chain);
  bar.tell(strings.presetLoaded(listing.default.name), listing.default.left_out);
}

/** The name inside a preset; what is wrong with the text, the server says. @param {string} text */
function nameIn(text) {
  try {
    const name = JSON.parse(text).name;
    return typeof name === "string" && name ? name : null;
  } catch {
    return null;
  }
}
