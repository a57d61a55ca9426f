/** The stages before and behind the main pipeline: add, remove, move, bypass, set. */
import { added, chainOf, changed, emptyChain, moved, PLACES, removed, sameStages } from "../client/chain.js";
import { strings } from "../strings.js";
import { SettingsForm } from "./settings-form.js";

/** @typedef {import("../client/chain.js").Chain} Chain */
/** @typedef {import("../client/chain.js").Place} Place */
/** @typedef {import("../client/chain.js").Stage} Stage */

/**
 * Dispatches `chain` with the lists that the user wants, and `stage-setting` with `{stage, name,
 * value}`. While live it shows what the server confirmed; before, what was chosen.
 */
export class ChainEditor extends HTMLElement {
  /** @type {Chain} */ #chain = emptyChain();
  /** @type {Record<string, any>} */ #pipelines = {};
  /** @type {Map<string, HTMLLIElement>} */ #items = new Map();
  /** @type {Record<string, HTMLOListElement>} */ #lists = {};
  #live = false;

  /** @param {Record<string, any>} pipelines PIPELINEs by id */
  show(pipelines) {
    this.#pipelines = pipelines;
    this.replaceChildren(...PLACES.map((place) => this.#group(place)));
    this.#render();
  }

  /** Show a chain anew, with all its settings. @param {any} loaded a CHAIN with an id for each stage, or a SESSION */
  fill(loaded) {
    this.#chain = chainOf(loaded);
    this.#items.clear();
    this.#render();
  }

  /** What to send at the start. @returns {Chain} */
  get chain() {
    return this.#chain;
  }

  set live(/** @type {boolean} */ live) {
    this.#live = live;
    for (const item of this.#items.values()) form(item).live = live;
  }

  /** @param {any} session what the server says is running */
  follow(session) {
    const chain = chainOf(session, this.#chain);
    const fresh = !sameStages(chain, this.#chain);
    this.#chain = chain;
    if (fresh) this.#render();
    for (const stage of [...session.preprocessors, ...session.postprocessors]) this.#confirm(stage);
  }

  /** The server took values; of long ones it does not tell later. @param {string} stage @param {Record<string, any>} settings */
  applied(stage, settings) {
    this.#chain = changed(this.#chain, stage, { settings: { ...this.#find(stage)?.settings, ...settings } });
  }

  /** Where a refused value is shown. @param {string} stage @param {{field: string, message: string}[]} errors */
  refuse(stage, errors) {
    const item = this.#items.get(stage);
    return item ? form(item).refuse(errors) : false;
  }

  /** @param {Place} place */
  #group(place) {
    const set = document.createElement("fieldset");
    const legend = document.createElement("legend");
    legend.textContent = strings.chain[place];
    const list = (this.#lists[place] = document.createElement("ol"));
    list.dataset.place = place;
    const select = document.createElement("select");
    select.setAttribute("aria-label", strings.chain.which(strings.chain[place]));
    const usage = place.slice(0, -1);
    for (const pipeline of Object.values(this.#pipelines)) {
      if (pipeline.usage.includes(usage) && pipeline.available) select.add(new Option(pipeline.name, pipeline.id));
    }
    const add = button(strings.chain.add, () => this.#wish(added(this.#chain, place, select.value)));
    add.disabled = select.options.length === 0;
    const row = document.createElement("div");
    row.className = "row";
    row.append(select, add);
    set.append(legend, list, row);
    return set;
  }

  /** Commit at once before the start; while live only the server does. @param {Chain} chain */
  #wish(chain) {
    if (!this.#live) {
      this.#chain = chain;
      this.#render();
    }
    this.dispatchEvent(new CustomEvent("chain", { detail: chain }));
  }

  /** Items that stay are moved, not made anew, so that their focus and open forms stay. */
  #render() {
    const kept = new Map();
    for (const place of PLACES) {
      const items = this.#chain[place].map((stage) => {
        const old = this.#items.get(stage.id);
        const item = old && old.dataset.pipeline === stage.pipeline ? old : this.#item(stage);
        kept.set(stage.id, item);
        return item;
      });
      const focused = document.activeElement;
      this.#lists[place].replaceChildren(...items);
      if (focused instanceof HTMLElement && this.contains(focused)) focused.focus();
    }
    this.#items = kept;
    for (const stage of PLACES.flatMap((place) => this.#chain[place])) this.#mark(stage);
  }

  /** @param {Stage} stage */
  #item(stage) {
    const pipeline = this.#pipelines[stage.pipeline];
    const name = pipeline?.name ?? stage.pipeline;
    const item = document.createElement("li");
    item.dataset.stage = stage.id;
    item.dataset.pipeline = stage.pipeline;
    const enabled = document.createElement("input");
    enabled.type = "checkbox";
    enabled.addEventListener("change", () => {
      this.#wish(changed(this.#chain, stage.id, { enabled: enabled.checked }));
    });
    const label = document.createElement("label");
    label.append(enabled, name);
    const cost = document.createElement("span");
    cost.className = "cost";
    const move = (/** @type {-1|1} */ step) => this.#wish(moved(this.#chain, stage.id, step));
    const row = document.createElement("div");
    row.className = "row";
    row.append(
      label, cost,
      button("↑", () => move(-1), strings.chain.up(name)),
      button("↓", () => move(1), strings.chain.down(name)),
      button("×", () => this.#wish(removed(this.#chain, stage.id)), strings.chain.remove(name)),
    );
    const error = document.createElement("p");
    error.className = "error";
    item.append(row, error);
    if (pipeline) item.append(this.#settings(stage, pipeline, name));
    return item;
  }

  /** @param {Stage} stage @param {any} pipeline @param {string} name */
  #settings(stage, pipeline, name) {
    const settings = new SettingsForm();
    settings.prefix = `stage-${stage.id}-`;
    settings.show(pipeline, "video");
    settings.fill(stage.settings);
    settings.live = this.#live;
    settings.addEventListener("setting", (event) => {
      const { name: field, value } = /** @type {CustomEvent} */ (event).detail;
      event.stopPropagation();
      const values = { ...this.#find(stage.id)?.settings, [field]: value };
      if (!this.#live) this.#chain = changed(this.#chain, stage.id, { settings: values });
      else if (!settings.isLoadParam(field)) {
        const detail = { stage: stage.id, name: field, value };
        this.dispatchEvent(new CustomEvent("stage-setting", { detail }));
      }
    });
    settings.addEventListener("reload", (event) => {
      const values = /** @type {CustomEvent} */ (event).detail;
      this.#wish(changed(this.#chain, stage.id, { settings: values }));
    });
    const details = document.createElement("details");
    const summary = document.createElement("summary");
    summary.textContent = strings.chain.settings(name);
    details.append(summary, settings);
    return details;
  }

  /** @param {string} id */
  #find(id) {
    return PLACES.flatMap((place) => this.#chain[place]).find((stage) => stage.id === id);
  }

  /** @param {any} stage a stage of a SESSION */
  #confirm(stage) {
    const item = this.#items.get(stage.id);
    if (!item) return;
    this.#mark(stage);
    form(item).confirm(stage.settings);
    const ms = stage.latency_ms.inference;
    const text = stage.active && ms ? strings.chain.cost(ms.p50) : strings.chain.resting;
    /** @type {HTMLElement} */ (item.querySelector(".cost")).textContent = text;
    /** @type {HTMLElement} */ (item.querySelector(".error")).textContent = stage.error ?? "";
  }

  /** @param {Stage} stage */
  #mark(stage) {
    const box = this.#items.get(stage.id)?.querySelector("input");
    if (box) box.checked = stage.enabled;
  }
}

/** @param {HTMLElement} item @returns {SettingsForm} */
function form(item) {
  return item.querySelector("settings-form") ?? new SettingsForm();
}

/** @param {string} text @param {() => void} act @param {string} [label] */
function button(text, act, label) {
  const element = document.createElement("button");
  element.type = "button";
  element.textContent = text;
  if (label) element.setAttribute("aria-label", label);
  element.addEventListener("click", act);
  return element;
}

customElements.define("chain-editor", ChainEditor);
