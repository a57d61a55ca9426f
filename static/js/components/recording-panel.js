/** Record and snapshot buttons, a running clock, and the list of recordings. */
import { strings } from "../strings.js";

/** @typedef {{id: string, file: string, state: string, size_bytes: number, changed: string}} Entry */

/**
 * Dispatches `record`, `stop`, `snapshot` (detail: "input" or "output"), `save` and `remove` (detail: the entry).
 * `show` takes a SESSION or null, `list` the recordings.
 */
export class RecordingPanel extends HTMLElement {
  #record = button(strings.record);
  #clock = document.createElement("output");
  #input = button(strings.snapshotInput);
  #output = button(strings.snapshotOutput);
  #entries = document.createElement("ul");
  #summary = document.createElement("summary");
  #recording = false;

  connectedCallback() {
    if (this.childElementCount) return;
    this.#record.className = "record";
    this.#clock.setAttribute("aria-live", "off");
    const row = document.createElement("div");
    row.className = "buttons";
    row.append(this.#record, this.#clock, this.#output, this.#input);
    const details = document.createElement("details");
    details.append(this.#summary, this.#entries);
    details.addEventListener("toggle", () => details.open && this.#tell("refresh"));
    this.append(row, details);
    this.#record.addEventListener("click", () => this.#tell(this.#recording ? "stop" : "record"));
    this.#input.addEventListener("click", () => this.#tell("snapshot", "input"));
    this.#output.addEventListener("click", () => this.#tell("snapshot", "output"));
    this.show(null);
    this.list([]);
  }

  /** @param {any} session a SESSION of the protocol; null: there is none */
  show(session) {
    const recording = session?.recording ?? null;
    this.#recording = recording !== null;
    this.#record.textContent = this.#recording ? strings.stopRecording : strings.record;
    this.#record.setAttribute("aria-pressed", String(this.#recording));
    this.#clock.textContent = recording ? clock(recording.duration_s) : "";
    this.#record.disabled = session === null;
    this.#input.disabled = this.#output.disabled = !session?.output.width;
  }

  /** @param {Entry[]} entries the newest first */
  list(entries) {
    this.#summary.textContent = strings.recordings(entries.length);
    this.#entries.replaceChildren(...entries.map((entry) => this.#item(entry)));
  }

  /** @param {Entry} entry */
  #item(entry) {
    const item = document.createElement("li");
    const name = document.createElement("span");
    name.textContent = `${entry.file} (${size(entry.size_bytes)})`;
    const save = button(strings.download, `${strings.download}: ${entry.file}`);
    save.addEventListener("click", () => this.#tell("save", entry));
    const remove = button(strings.delete, `${strings.delete}: ${entry.file}`);
    remove.disabled = entry.state === "recording";
    remove.addEventListener("click", () => this.#tell("remove", entry));
    item.append(name, save, remove);
    return item;
  }

  /** @param {string} what @param {unknown} [detail] */
  #tell(what, detail) {
    this.dispatchEvent(new CustomEvent(what, { detail }));
  }
}

/** @param {string} text @param {string} [label] */
function button(text, label) {
  const made = document.createElement("button");
  made.type = "button";
  made.textContent = text;
  if (label) made.setAttribute("aria-label", label);
  return made;
}

/** @param {number} seconds */
function clock(seconds) {
  const whole = Math.floor(seconds);
  const minutes = String(Math.floor(whole / 60) % 60).padStart(2, "0");
  const hours = Math.floor(whole / 3600);
  return `${hours ? `${hours}:` : ""}${minutes}:${String(whole % 60).padStart(2, "0")}`;
}

/** @param {number} bytes */
function size(bytes) {
  return bytes < 1e6 ? `${Math.ceil(bytes / 1e3)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

customElements.define("recording-panel", RecordingPanel);
