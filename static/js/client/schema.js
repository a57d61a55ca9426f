/**
 * From a pipeline's JSON Schema to models of widgets, and back to values. Pure.
 *
 * @typedef {Record<string, any>} Schema a JSON Schema, as pydantic writes it
 * @typedef {"toggle"|"text"|"number"|"slider"|"select"|"json"|"lines"|"constant"} Kind
 * @typedef {object} Field
 * @property {string} name
 * @property {Kind} kind
 * @property {string} label
 * @property {string} description
 * @property {boolean} nullable null ("unset") is a value of this field
 * @property {boolean} integer
 * @property {number|null} min inclusive
 * @property {number|null} max inclusive
 * @property {boolean} exclusiveMin
 * @property {boolean} exclusiveMax
 * @property {number|"any"} step
 * @property {any[]} options
 * @property {number|null} maxLength
 * @property {string|null} file the ending of files that the text may come from
 * @property {any} initial
 * @property {string} category
 * @property {string|null} component
 * @property {string[]|null} modes
 * @property {boolean} loadParam
 */

const SLIDER_STEPS = 200;

/**
 * The fields to show, in order; a field without `ui` is not shown.
 * @param {Schema} schema @param {Record<string, any>} defaults effective defaults of the mode
 * @returns {Field[]}
 */
export function fieldsOf(schema, defaults = {}) {
  const entries = Object.entries(schema.properties ?? {}).filter(([, property]) => property.ui);
  const order = (/** @type {any} */ property) => property.ui.order ?? Number.MAX_SAFE_INTEGER;
  entries.sort(([, a], [, b]) => order(a) - order(b));
  return entries.map(([name, property]) => fieldOf(name, property, schema, defaults));
}

/**
 * @param {string} name @param {Schema} property @param {Schema} schema
 * @param {Record<string, any>} defaults @returns {Field}
 */
export function fieldOf(name, property, schema, defaults) {
  const { arm, nullable } = armOf(property, schema);
  const ui = property.ui ?? {};
  const options = arm.enum ?? [];
  const { min, max, exclusiveMin, exclusiveMax } = boundsOf(arm);
  const integer = arm.type === "integer";
  const plain = kindOf(arm, min, max);
  const kind = plain === "text" && ui.multiline ? "lines" : plain;
  return {
    name,
    kind,
    label: ui.label ?? property.title ?? titleOf(name),
    description: property.description ?? arm.description ?? "",
    nullable,
    integer,
    min,
    max,
    exclusiveMin,
    exclusiveMax,
    step: stepOf(arm, kind, min, max),
    options: kind === "constant" ? [arm.const] : options,
    maxLength: arm.maxLength ?? null,
    file: ui.file ?? null,
    initial: name in defaults ? defaults[name] : property.default,
    category: ui.category ?? "configuration",
    component: ui.component ?? null,
    modes: ui.modes?.length ? ui.modes : null,
    loadParam: ui.is_load_param === true,
  };
}

/**
 * Follow `$ref` and take the arm beside null.
 * @param {Schema} property @param {Schema} schema @returns {{arm: Schema, nullable: boolean}}
 */
function armOf(property, schema) {
  const resolve = (/** @type {Schema} */ part) =>
    part.$ref ? { ...schema.$defs?.[part.$ref.split("/").pop()], ...part } : part;
  if (property.anyOf) {
    const arms = property.anyOf.map(resolve);
    const others = arms.filter((/** @type {Schema} */ arm) => arm.type !== "null");
    const arm = others.length === 1 ? others[0] : {};
    return { arm, nullable: others.length < arms.length };
  }
  if (property.allOf?.length === 1) return { arm: resolve(property.allOf[0]), nullable: false };
  return { arm: resolve(property), nullable: false };
}

/** @param {Schema} arm */
function boundsOf(arm) {
  const exclusiveMin = arm.exclusiveMinimum !== undefined;
  const exclusiveMax = arm.exclusiveMaximum !== undefined;
  const min = arm.exclusiveMinimum ?? arm.minimum ?? null;
  const max = arm.exclusiveMaximum ?? arm.maximum ?? null;
  if (arm.type !== "integer") return { min, max, exclusiveMin, exclusiveMax };
  return {
    min: exclusiveMin ? min + 1 : min,
    max: exclusiveMax ? max - 1 : max,
    exclusiveMin: false,
    exclusiveMax: false,
  };
}

/** @param {Schema} arm @param {number|null} min @param {number|null} max @returns {Kind} */
function kindOf(arm, min, max) {
  if (arm.const !== undefined) return "constant";
  if (arm.enum) return "select";
  if (arm.type === "boolean") return "toggle";
  if (arm.type === "string") return "text";
  if (arm.type === "number" || arm.type === "integer") {
    return min !== null && max !== null ? "slider" : "number";
  }
  return "json";
}

/** @param {Schema} arm @param {Kind} kind @param {number|null} min @param {number|null} max */
function stepOf(arm, kind, min, max) {
  if (arm.multipleOf !== undefined) return arm.multipleOf;
  if (arm.type === "integer") return 1;
  if (kind !== "slider" || min === null || max === null) return "any";
  return 10 ** Math.floor(Math.log10((max - min) / SLIDER_STEPS));
}

/** @param {string} name */
function titleOf(name) {
  const words = name.replaceAll("_", " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** @param {Field} field @param {string} mode */
export function visibleIn(field, mode) {
  return field.modes === null || field.modes.includes(mode);
}

/** The least and the greatest value that a slider may take. @param {Field} field */
export function sliderRange(field) {
  const step = typeof field.step === "number" ? field.step : 0;
  return {
    min: (field.min ?? 0) + (field.exclusiveMin ? step : 0),
    max: (field.max ?? 0) - (field.exclusiveMax ? step : 0),
  };
}

/**
 * What a control's text means. Throws an Error with a readable message when it means nothing.
 * @param {Field} field @param {string} text @returns {any}
 */
export function parse(field, text) {
  if (field.kind === "slider" || field.kind === "number") {
    if (text.trim() === "" || Number.isNaN(Number(text))) throw new Error("Enter a number.");
    return Number(text);
  }
  if (field.kind === "select" || field.kind === "constant") {
    return field.options.find((option) => String(option) === text) ?? text;
  }
  if (field.kind === "json") {
    try {
      return JSON.parse(text);
    } catch {
      throw new Error("Enter JSON, such as [1, 2] or {\"a\": 1}.");
    }
  }
  return text;
}

/**
 * Why a value would be refused, or null. The server has the last word.
 * @param {Field} field @param {any} value @returns {string|null}
 */
export function problemWith(field, value) {
  if (value === null) return field.nullable ? null : "A value is needed.";
  if (field.kind === "select" && !field.options.includes(value)) return "Choose one of the options.";
  if (typeof value === "string" && field.maxLength !== null && value.length > field.maxLength) {
    return `At most ${field.maxLength} characters.`;
  }
  if (field.kind !== "slider" && field.kind !== "number") return null;
  if (typeof value !== "number" || !Number.isFinite(value)) return "Enter a number.";
  if (field.integer && !Number.isInteger(value)) return "Enter a whole number.";
  const { min, max } = field;
  if (min !== null && (field.exclusiveMin ? value <= min : value < min)) {
    return `${field.exclusiveMin ? "More than" : "At least"} ${min}.`;
  }
  if (max !== null && (field.exclusiveMax ? value >= max : value > max)) {
    return `${field.exclusiveMax ? "Less than" : "At most"} ${max}.`;
  }
  return null;
}

/** A value as a control's text. @param {Field} field @param {any} value */
export function format(field, value) {
  if (value === undefined || value === null) return "";
  if (field.kind === "json") return JSON.stringify(value);
  if (typeof value === "number" && !Number.isInteger(value)) return String(Number(value.toPrecision(6)));
  return String(value);
}
