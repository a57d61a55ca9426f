/** How far a pipeline's loading is: its files while they are fetched, then what follows. */
import { strings } from "../strings.js";

const MB = 1e6;

/** @typedef {{pipeline: string, phase: string, file: string|null, done_bytes: number|null, total_bytes: number|null}} Loading */

/** Hidden while nothing is loaded. */
export class LoadingBar extends HTMLElement {
  #label = document.createElement("label");
  #bar = document.createElement("progress");

  connectedCallback() {
    this.hidden = true;
    this.#bar.id = "loading-progress";
    this.#label.htmlFor = this.#bar.id;
    this.append(this.#label, this.#bar);
  }

  /** @param {Loading|null} loading `loading` of a SESSION */
  show(loading) {
    this.hidden = !loading;
    if (!loading) return;
    const { done_bytes: done, total_bytes: total } = loading;
    const known = done !== null && total !== null && total > 0;
    if (known) {
      this.#bar.max = total;
      this.#bar.value = done;
    } else {
      this.#bar.removeAttribute("value");
    }
    const parts = [strings.phases[loading.phase] ?? loading.phase];
    if (loading.file) parts.push(loading.file);
    if (known) parts.push(`${(done / MB).toFixed(1)} of ${(total / MB).toFixed(1)} MB`);
    this.#label.textContent = parts.join(" · ");
  }
}

customElements.define("loading-bar", LoadingBar);
