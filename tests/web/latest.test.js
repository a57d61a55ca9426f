import assert from "node:assert/strict";
import { test } from "node:test";

import { Latest } from "../../static/js/client/latest.js";

test("one request at a time, and the latest value wins", async () => {
  const sent = [];
  let release = () => {};
  const latest = new Latest((changes) => {
    sent.push(changes);
    return new Promise((resolve) => { release = resolve; });
  });
  latest.push({ gain: 1 });
  for (let gain = 2; gain <= 60; gain++) latest.push({ gain, other: true });
  assert.deepEqual(sent, [{ gain: 1 }]);
  release();
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(sent, [{ gain: 1 }, { gain: 60, other: true }]);
  release();
});
