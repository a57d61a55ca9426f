/** All settings of a pipeline in one mode, drawn from its schema alone. */
import { fieldsOf, visibleIn } from "../client/schema.js";
import { strings } from "../strings.js";
import { SettingField } from "./setting-field.js";

const GROUP_TITLES = /** @type {Record<string, string>} */ ({ input: "Input", configuration: "Settings" });

/**
 * Dispatches `setting` (bubbling from its fields) for live ones and `reload` with the values of
 * load parameters when the user asks for it.
 */
export class SettingsForm extends HTMLElement {
  /** @type {Map<string, SettingField>} */ #fields = new Map();
  #live = false;
  /** Makes the ids of several forms on one page differ. */
  prefix = "";
  #reload = document.createElement("button");

  constructor() {
    super();
    this.#reload.type = "button";
    this.#reload.textContent = strings.reload;
    this.#reload.hidden = true;
    this.#reload.addEventListener("click", () => {
      this.dispatchEvent(new CustomEvent("reload", { detail: this.#loadValues() }));
    });
  }

  /** @param {any} pipeline a PIPELINE of the protocol @param {string} mode */
  show(pipeline, mode) {
    this.#fields.clear();
    this.replaceChildren();
    const defaults = pipeline.modes[mode]?.defaults ?? {};
    const fields = fieldsOf(pipeline.config_schema, defaults).filter((field) => visibleIn(field, mode));
    for (const category of ["input", "configuration"]) {
      const members = fields.filter((field) => field.category === category);
      if (members.length) this.append(this.#group(GROUP_TITLES[category], members));
    }
    this.#reload.hidden = !fields.some((field) => field.loadParam);
    this.append(this.#reload);
    this.live = this.#live;
  }

  /** @param {string} title @param {import("../client/schema.js").Field[]} members */
  #group(title, members) {
    const set = document.createElement("fieldset");
    const legend = document.createElement("legend");
    legend.textContent = title;
    set.append(legend);
    /** @type {Map<string, HTMLElement>} */
    const blocks = new Map();
    for (const field of members) {
      const element = new SettingField(field, this.prefix);
      this.#fields.set(field.name, element);
      if (!field.component) {
        set.append(element);
        continue;
      }
      const block = blocks.get(field.component) ?? document.createElement("div");
      block.className = `block block-${field.component}`;
      block.append(element);
      if (!blocks.has(field.component)) set.append(block);
      blocks.set(field.component, block);
    }
    return set;
  }

  /** Values that differ from the defaults: what to send at the start. */
  get changes() {
    const changed = [...this.#fields.values()].filter((element) => element.value !== element.field.initial);
    return Object.fromEntries(changed.map((element) => [element.field.name, element.value]));
  }

  #loadValues() {
    const load = [...this.#fields.values()].filter((element) => element.field.loadParam);
    return Object.fromEntries(load.map((element) => [element.field.name, element.value]));
  }

  /** Load parameters wait for a reload while the pipeline runs. @param {boolean} live */
  set live(live) {
    this.#live = live;
    for (const element of this.#fields.values()) {
      element.classList.toggle("load-param", element.field.loadParam && live);
    }
    this.#reload.disabled = !live;
  }

  get live() {
    return this.#live;
  }

  /** @param {string} name */
  isLoadParam(name) {
    return this.#fields.get(name)?.field.loadParam ?? false;
  }

  /** @param {Record<string, any>} settings what the server has in force */
  confirm(settings) {
    for (const [name, value] of Object.entries(settings)) {
      const element = this.#fields.get(name);
      if (element && !element.field.loadParam) {
        element.value = value;
        element.error = null;
      }
    }
  }

  /** Set every field, load parameters too. @param {Record<string, any>} settings */
  fill(settings) {
    this.confirm(settings);
    for (const [name, element] of this.#fields) {
      if (element.field.loadParam && name in settings) element.value = settings[name];
    }
  }

  /** @param {{field: string, message: string}[]} errors @returns {boolean} whether all were placed */
  refuse(errors) {
    let placed = errors.length > 0;
    for (const { field, message } of errors) {
      const element = this.#fields.get(field.split(".")[0]);
      if (element) element.error = message;
      else placed = false;
    }
    return placed;
  }
}

customElements.define("settings-form", SettingsForm);
