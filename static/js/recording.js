/** Wires the recording panel to the server. */
import {
  listRecordings, removeRecording, saveRecording, saveSnapshot, startRecording, stopRecording,
} from "./client/recordings.js";
import "./components/recording-panel.js";
import { strings } from "./strings.js";

/**
 * Gives a function that takes each SESSION, or null when there is none.
 * @param {import("./components/recording-panel.js").RecordingPanel} panel @param {(error: unknown) => void} report
 */
export function recordingPanel(panel, report) {
  /** @type {any} */ let session = null;
  let running = "";
  const refresh = async () => panel.list(await listRecordings());
  /** @param {string} name @param {(detail: any) => Promise<unknown>} act */
  const on = (name, act) =>
    panel.addEventListener(name, (event) => {
      act(/** @type {CustomEvent} */ (event).detail).catch(report);
    });
  on("record", async () => panel.show({ ...session, recording: await startRecording(session.name) }));
  on("stop", async () => {
    await stopRecording(session.name);
    await refresh();
  });
  on("snapshot", (of) => saveSnapshot(session.name, of));
  on("save", saveRecording);
  on("refresh", refresh);
  on("remove", async (entry) => {
    if (!confirm(strings.reallyDelete(entry.file))) return;
    await removeRecording(entry.id);
    await refresh();
  });
  return (/** @type {any} */ newest) => {
    const before = running;
    session = newest;
    running = newest?.recording?.id ?? "";
    panel.show(newest);
    if (before !== running) refresh().catch(report);
    if (before && !running && newest?.warnings.length) report(new Error(newest.warnings[0]));
  };
}
