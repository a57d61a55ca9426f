/** Choose a preset; save, export, import and remove one. */
import { strings } from "../strings.js";

let nextId = 0;

/** @param {string} text @param {() => void} press */
function button(text, press) {
  const made = document.createElement("button");
  made.type = "button";
  made.textContent = text;
  made.addEventListener("click", press);
  return made;
}

/** @param {string} text @param {HTMLElement} control */
function labelled(text, control) {
  control.id = `preset-${nextId++}`;
  const label = document.createElement("label");
  label.htmlFor = control.id;
  label.textContent = text;
  return [label, control];
}

/**
 * Dispatches `load`, `export` and `remove` with the chosen name, `save` with the typed one and
 * `import` with a File.
 */
export class PresetBar extends HTMLElement {
  #choice = document.createElement("select");
  #name = document.createElement("input");
  #file = document.createElement("input");
  #load = button(strings.loadPreset, () => this.#send("load", this.chosen));
  #export = button(strings.exportPreset, () => this.#send("export", this.chosen));
  #remove = button(strings.removePreset, () => this.#send("remove", this.chosen));
  #save = button(strings.savePreset, () => this.#send("save", this.#name.value.trim()));
  #message = document.createElement("div");
  /** @type {Set<string>} */ #own = new Set();
  #savable = false;

  connectedCallback() {
    if (this.firstChild) return;
    this.#name.type = "text";
    this.#name.maxLength = 64;
    this.#file.type = "file";
    this.#file.accept = ".json,application/json";
    this.#message.role = "status";
    this.#choice.addEventListener("change", () => this.#enable());
    this.#name.addEventListener("input", () => this.#enable());
    this.#file.addEventListener("change", () => {
      const file = this.#file.files?.[0];
      this.#file.value = "";
      if (file) this.#send("import", file);
    });
    const set = document.createElement("fieldset");
    const legend = document.createElement("legend");
    legend.textContent = strings.presets;
    const chosen = document.createElement("div");
    chosen.className = "buttons";
    chosen.append(this.#load, this.#export, this.#remove);
    const named = document.createElement("div");
    named.className = "row";
    named.append(this.#name, this.#save);
    const [nameLabel] = labelled(strings.presetName, this.#name);
    set.append(legend, ...labelled(strings.preset, this.#choice), chosen);
    set.append(nameLabel, named, ...labelled(strings.importPreset, this.#file), this.#message);
    this.append(set);
    this.#enable();
  }

  get chosen() {
    return this.#choice.value;
  }

  /** Whether a session runs whose chain can be saved. @param {boolean} savable */
  set savable(savable) {
    this.#savable = savable;
    this.#enable();
  }

  /** @param {import("../client/presets.js").Entry[]} entries @param {string} [chosen] */
  show(entries, chosen = this.chosen) {
    this.#own = new Set(entries.filter((entry) => !entry.built_in).map((entry) => entry.name));
    /** @type {Map<string, HTMLOptGroupElement>} */
    const groups = new Map();
    for (const entry of entries) {
      const title = entry.built_in ? entry.pipeline : strings.savedPresets;
      const group = groups.get(title) ?? document.createElement("optgroup");
      group.label = title;
      groups.set(title, group);
      const text = entry.built_in ? entry.name.slice(entry.name.indexOf(":") + 1) : entry.name;
      const option = new Option(entry.error ? `${text} (${entry.error})` : text, entry.name);
      option.title = entry.description;
      option.disabled = entry.error !== null;
      group.append(option);
    }
    this.#choice.replaceChildren(new Option(strings.noPreset, ""), ...groups.values());
    this.#choice.value = chosen;
    if (this.#choice.selectedIndex < 0) this.#choice.value = "";
    this.#enable();
  }

  /** Whether a preset of this name is saved. @param {string} name */
  has(name) {
    return this.#own.has(name);
  }

  /** @param {string} text @param {import("../client/presets.js").LeftOut[]} [leftOut] */
  tell(text, leftOut = []) {
    const line = document.createElement("p");
    line.textContent = leftOut.length ? `${text} ${strings.leftOut}` : text;
    const list = document.createElement("ul");
    for (const { field, reason } of leftOut) {
      const item = document.createElement("li");
      item.textContent = field ? `${field}: ${reason}` : reason;
      list.append(item);
    }
    this.#message.replaceChildren(line, ...(leftOut.length ? [list] : []));
  }

  #enable() {
    this.#load.disabled = this.#export.disabled = this.chosen === "";
    this.#remove.disabled = !this.#own.has(this.chosen);
    this.#save.disabled = !this.#savable || this.#name.value.trim() === "";
  }

  /** @param {string} kind @param {string|File} detail */
  #send(kind, detail) {
    this.dispatchEvent(new CustomEvent(kind, { detail }));
  }
}

customElements.define("preset-bar", PresetBar);
