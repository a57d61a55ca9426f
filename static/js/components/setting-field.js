/** One setting: label, native control, description, error. */
import { format, parse, problemWith, sliderRange } from "../client/schema.js";
import { imageUrl } from "../image-url.js";
import { strings } from "../strings.js";

/** @typedef {import("../client/schema.js").Field} Field */

/** Dispatches `setting` with `{name, value}` when the user changed the value to a valid one. */
export class SettingField extends HTMLElement {
  /** @type {Field} */ #field;
  /** @type {any} */ #value;
  /** @type {(HTMLInputElement|HTMLSelectElement|HTMLTextAreaElement)[]} */ #controls = [];
  /** @type {HTMLInputElement|null} */ #unset = null;
  #error = document.createElement("p");

  /** @param {Field} field @param {string} [prefix] makes ids differ between forms */
  constructor(field, prefix = "") {
    super();
    this.#field = field;
    this.#value = field.initial;
    this.dataset.field = field.name;
    const id = `${prefix}field-${field.name}`;
    const label = document.createElement("label");
    label.textContent = field.label;
    label.htmlFor = id;
    this.append(label);
    const row = document.createElement("div");
    row.className = "row";
    this.#build(row, id);
    this.append(row);
    this.#describe(id);
    this.value = field.initial;
  }

  get field() {
    return this.#field;
  }

  get value() {
    return this.#value;
  }

  /** What the server confirmed. A control that is being typed into is left alone. */
  set value(value) {
    this.#value = value;
    const unset = value === null || value === undefined;
    if (this.#unset) this.#unset.checked = unset;
    for (const control of this.#controls) {
      if (this.#unset) control.classList.toggle("unset", unset);
      if (control === document.activeElement && control.type !== "checkbox") continue;
      if (control instanceof HTMLInputElement && control.type === "checkbox") control.checked = value === true;
      else if (!unset || !this.#unset) control.value = format(this.#field, value);
    }
  }

  /** @param {boolean} disabled */
  set disabled(disabled) {
    for (const control of [...this.#controls, ...(this.#unset ? [this.#unset] : [])]) control.disabled = disabled;
  }

  /** @param {string|null} message */
  set error(message) {
    this.#error.textContent = message ?? "";
    for (const control of this.#controls) control.setAttribute("aria-invalid", String(message !== null));
  }

  /** @param {HTMLElement} row @param {string} id */
  #build(row, id) {
    const field = this.#field;
    if (field.kind === "toggle") this.#add(row, input("checkbox"), id);
    else if (field.kind === "select" || field.kind === "constant") this.#add(row, this.#select(), id);
    else if (field.kind === "json") this.#add(row, document.createElement("textarea"), id);
    else if (field.kind === "lines") this.#lines(row, id);
    else if (field.kind === "text") this.#add(row, input("text"), id);
    else this.#numbers(row, id);
    if (field.kind === "constant") this.disabled = true;
    if (field.nullable) this.#addUnset(row);
  }

  /** @param {HTMLElement} row @param {string} id */
  #numbers(row, id) {
    const field = this.#field;
    const number = input("number");
    number.step = String(field.step);
    if (field.kind === "slider") {
      const slider = input("range");
      const { min, max } = sliderRange(field);
      Object.assign(slider, { min: String(min), max: String(max), step: String(field.step) });
      slider.setAttribute("aria-label", field.label);
      this.#add(row, slider, `${id}-slider`);
    }
    if (field.min !== null) number.min = String(field.min);
    if (field.max !== null) number.max = String(field.max);
    this.#add(row, number, id);
  }

  /** @param {HTMLElement} row @param {string} id */
  #lines(row, id) {
    const area = document.createElement("textarea");
    area.spellcheck = false;
    this.#add(row, area, id);
    if (this.#field.file === null) return;
    if (this.#field.file.startsWith("image/")) area.rows = 1;
    const chooser = input("file");
    chooser.accept = this.#field.file;
    chooser.setAttribute("aria-label", `${this.#field.label}: ${strings.fromFile}`);
    chooser.addEventListener("change", async () => {
      const file = chooser.files?.[0];
      if (file) await this.#read(file);
      chooser.value = ""; // the same file may be chosen again after it was changed
    });
    row.append(chooser);
  }

  /** Pictures become a `data:` URL, all else is taken as text. @param {File} file */
  async #read(file) {
    try {
      const image = this.#field.file?.startsWith("image/");
      this.#commit(image ? await imageUrl(file, this.#field.maxLength) : await file.text());
    } catch {
      this.error = strings.unreadable(file.name);
    }
  }

  #select() {
    const select = document.createElement("select");
    for (const option of this.#field.options) select.add(new Option(String(option)));
    return select;
  }

  /** @param {HTMLElement} row @param {HTMLInputElement|HTMLSelectElement|HTMLTextAreaElement} control @param {string} id */
  #add(row, control, id) {
    control.id = id;
    const live = control instanceof HTMLInputElement && ["range", "text"].includes(control.type);
    control.addEventListener(live ? "input" : "change", () => this.#changed(control));
    this.#controls.push(control);
    row.append(control);
  }

  /** @param {HTMLElement} row */
  #addUnset(row) {
    this.#unset = input("checkbox");
    this.#unset.addEventListener("change", () => {
      if (this.#unset?.checked) this.#commit(null);
      else this.#changed(this.#controls[0]);
    });
    const label = document.createElement("label");
    label.className = "unset-label";
    label.append(this.#unset, strings.unset);
    row.append(label);
  }

  /** @param {HTMLInputElement|HTMLSelectElement|HTMLTextAreaElement} control */
  #changed(control) {
    try {
      const box = control instanceof HTMLInputElement && control.type === "checkbox";
      this.#commit(box ? control.checked : parse(this.#field, control.value));
    } catch (error) {
      this.error = /** @type {Error} */ (error).message;
    }
  }

  /** @param {any} value */
  #commit(value) {
    const problem = problemWith(this.#field, value);
    this.error = problem;
    if (problem !== null) return;
    this.value = value;
    const detail = { name: this.#field.name, value };
    this.dispatchEvent(new CustomEvent("setting", { detail, bubbles: true }));
  }

  /** @param {string} id */
  #describe(id) {
    const description = document.createElement("p");
    description.id = `${id}-description`;
    description.className = "description";
    description.textContent = this.#field.description;
    this.#error.className = "error";
    this.#error.id = `${id}-error`;
    this.append(description, this.#error);
    for (const control of this.#controls) {
      control.setAttribute("aria-describedby", `${description.id} ${this.#error.id}`);
    }
  }
}

/** @param {string} type */
function input(type) {
  const element = document.createElement("input");
  element.type = type;
  return element;
}

customElements.define("setting-field", SettingField);
