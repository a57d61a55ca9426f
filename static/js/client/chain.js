/** The stages around the main pipeline, as the protocol's lists: pure changes, each a new chain. */

/** @typedef {{id: string, pipeline: string, settings: Record<string, any>, enabled: boolean}} Stage */
/** @typedef {"preprocessors"|"postprocessors"} Place */
/** @typedef {{preprocessors: Stage[], postprocessors: Stage[]}} Chain */

export const PLACES = /** @type {Place[]} */ (["preprocessors", "postprocessors"]);

/** @returns {Chain} */
export function emptyChain() {
  return { preprocessors: [], postprocessors: [] };
}

/**
 * The chain of a SESSION. What the channel left out of it, being long, stays as it was.
 * @param {any} session @param {Chain} [before] @returns {Chain}
 */
export function chainOf(session, before = emptyChain()) {
  const known = new Map(PLACES.flatMap((place) => before[place].map((stage) => [stage.id, stage])));
  const strip = (/** @type {any} */ { id, pipeline, settings, enabled, omitted = [] }) => {
    const old = known.get(id);
    if (!old || old.pipeline !== pipeline) return { id, pipeline, settings, enabled };
    const long = omitted.filter((/** @type {string} */ name) => name in old.settings);
    const kept = Object.fromEntries(long.map((/** @type {string} */ name) => [name, old.settings[name]]));
    return { id, pipeline, settings: { ...settings, ...kept }, enabled };
  };
  return {
    preprocessors: session.preprocessors.map(strip),
    postprocessors: session.postprocessors.map(strip),
  };
}

/** A pipeline's id, with a number where that is taken. @param {Chain} chain @param {string} pipeline */
function newId(chain, pipeline) {
  const taken = new Set(["main", ...PLACES.flatMap((place) => chain[place].map((stage) => stage.id))]);
  let id = pipeline;
  for (let number = 2; taken.has(id); number++) id = `${pipeline}-${number}`;
  return id;
}

/** @param {Chain} chain @param {Place} place @param {string} pipeline @returns {Chain} */
export function added(chain, place, pipeline) {
  const stage = { id: newId(chain, pipeline), pipeline, settings: {}, enabled: true };
  return { ...chain, [place]: [...chain[place], stage] };
}

/** @param {Chain} chain @param {string} id @returns {Chain} */
export function removed(chain, id) {
  const without = (/** @type {Stage[]} */ stages) => stages.filter((stage) => stage.id !== id);
  return { preprocessors: without(chain.preprocessors), postprocessors: without(chain.postprocessors) };
}

/** One place up (-1) or down (1) within its list. @param {Chain} chain @param {string} id @param {-1|1} step @returns {Chain} */
export function moved(chain, id, step) {
  return mapLists(chain, (stages) => {
    const from = stages.findIndex((stage) => stage.id === id);
    const to = from + step;
    if (from < 0 || to < 0 || to >= stages.length) return stages;
    const list = [...stages];
    [list[from], list[to]] = [list[to], list[from]];
    return list;
  });
}

/** With other values of one stage. @param {Chain} chain @param {string} id @param {Partial<Stage>} values @returns {Chain} */
export function changed(chain, id, values) {
  return mapLists(chain, (stages) => stages.map((stage) => (stage.id === id ? { ...stage, ...values } : stage)));
}

/** Whether both have the same stages in the same places. @param {Chain} a @param {Chain} b */
export function sameStages(a, b) {
  const shape = (/** @type {Chain} */ chain) =>
    JSON.stringify(PLACES.map((place) => chain[place].map((stage) => [stage.id, stage.pipeline])));
  return shape(a) === shape(b);
}

/** @param {Chain} chain @param {(stages: Stage[]) => Stage[]} change @returns {Chain} */
function mapLists(chain, change) {
  return { preprocessors: change(chain.preprocessors), postprocessors: change(chain.postprocessors) };
}
