/** Keyboard and mouse for pipelines that ask for them: keys held, mouse movement summed. */

const INTERVAL_MS = 1000 / 60;
const BUTTONS = ["MouseLeft", "MouseMiddle", "MouseRight"];

/** Dispatches `controls` with `{keys, mouse}` at most 60 times a second while it has the focus. */
export class ControlPad extends HTMLElement {
  /** @type {Set<string>} */ #keys = new Set();
  #mouse = [0, 0];
  #timer = 0;

  connectedCallback() {
    this.tabIndex = 0;
    this.setAttribute("role", "application");
    this.addEventListener("keydown", (event) => this.#key(event, true));
    this.addEventListener("keyup", (event) => this.#key(event, false));
    this.addEventListener("mousedown", (event) => this.#button(event, true));
    this.addEventListener("mouseup", (event) => this.#button(event, false));
    this.addEventListener("mousemove", (event) => {
      this.#mouse = [this.#mouse[0] + event.movementX, this.#mouse[1] + event.movementY];
      this.#schedule();
    });
    this.addEventListener("blur", () => {
      this.#keys.clear();
      this.#schedule();
    });
  }

  /** @param {KeyboardEvent} event @param {boolean} down */
  #key(event, down) {
    if (event.code === "Escape") this.blur();
    else if (event.code !== "Tab") {
      event.preventDefault();
      this.#hold(event.code, down);
    }
  }

  /** @param {MouseEvent} event @param {boolean} down */
  #button(event, down) {
    this.#hold(BUTTONS[event.button] ?? "MouseLeft", down);
  }

  /** @param {string} key @param {boolean} down */
  #hold(key, down) {
    if (down) this.#keys.add(key);
    else this.#keys.delete(key);
    this.#schedule();
  }

  #schedule() {
    this.#timer ||= window.setTimeout(() => {
      this.#timer = 0;
      const detail = { keys: [...this.#keys], mouse: this.#mouse };
      this.#mouse = [0, 0];
      this.dispatchEvent(new CustomEvent("controls", { detail }));
    }, INTERVAL_MS);
  }
}

customElements.define("control-pad", ControlPad);
