import assert from "node:assert/strict";
import { test } from "node:test";

import { added, chainOf, changed, emptyChain, moved, removed, sameStages } from "../../static/js/client/chain.js";

const ids = (chain) => [chain.preprocessors.map((stage) => stage.id), chain.postprocessors.map((stage) => stage.id)];

test("stages get ids of their own in both lists", () => {
  let chain = added(emptyChain(), "preprocessors", "gray");
  chain = added(chain, "postprocessors", "gray");
  chain = added(chain, "postprocessors", "gray");
  assert.deepEqual(ids(chain), [["gray"], ["gray-2", "gray-3"]]);
});

test("a stage moves within its list and stays at its ends", () => {
  let chain = added(added(emptyChain(), "postprocessors", "a"), "postprocessors", "b");
  assert.deepEqual(ids(moved(chain, "b", -1)), [[], ["b", "a"]]);
  assert.deepEqual(ids(moved(chain, "b", 1)), [[], ["a", "b"]]);
  assert.deepEqual(ids(moved(chain, "a", -1)), [[], ["a", "b"]]);
  assert.deepEqual(ids(removed(chain, "a")), [[], ["b"]]);
});

test("values change without touching the old chain, and only places count as the same", () => {
  const chain = added(emptyChain(), "preprocessors", "a");
  const bypassed = changed(chain, "a", { enabled: false });
  assert.equal(chain.preprocessors[0].enabled, true);
  assert.equal(bypassed.preprocessors[0].enabled, false);
  assert.ok(sameStages(chain, bypassed));
  assert.ok(!sameStages(chain, added(chain, "preprocessors", "b")));
});

test("a SESSION's stages lose what a body must not have", () => {
  const stage = { id: "a", pipeline: "gray", enabled: true, settings: { x: 1 } };
  const shown = { ...stage, active: true, revision: 2, error: null, latency_ms: {} };
  assert.deepEqual(chainOf({ preprocessors: [shown], postprocessors: [] }), { preprocessors: [stage], postprocessors: [] });
});

test("what the channel left out stays as it was", () => {
  const before = { preprocessors: [{ id: "a", pipeline: "grade", enabled: true, settings: { cube: "long", gain: 1 } }], postprocessors: [] };
  const pushed = { id: "a", pipeline: "grade", enabled: true, settings: { gain: 2 }, omitted: ["cube"] };
  const session = (stage) => ({ preprocessors: [stage], postprocessors: [] });
  assert.deepEqual(chainOf(session(pushed), before).preprocessors[0].settings, { gain: 2, cube: "long" });
  assert.deepEqual(chainOf(session({ ...pushed, pipeline: "gray" }), before).preprocessors[0].settings, { gain: 2 });
  assert.deepEqual(chainOf(session({ ...pushed, omitted: undefined }), before).preprocessors[0].settings, { gain: 2 });
});
