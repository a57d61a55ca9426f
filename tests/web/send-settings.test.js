import assert from "node:assert/strict";
import { test } from "node:test";

import { sendSession, sendSettings } from "../../static/js/client/send-settings.js";

globalThis.sessionStorage = { getItem: () => "secret" };

function peerThatAsks() {
  const asked = [];
  const control = { ask: async (message) => (asked.push(message), { settings: message.settings }) };
  return { peer: { control, session: "my show" }, asked };
}

test("short settings go by the data channel", async () => {
  const { peer, asked } = peerThatAsks();
  assert.deepEqual(await sendSettings(peer, { gain: 2 }), { settings: { gain: 2 } });
  assert.deepEqual(asked, [{ type: "settings", settings: { gain: 2 } }]);
});

test("long ones go by HTTP, with the token, and the reply says what is in force", async () => {
  const { peer, asked } = peerThatAsks();
  const requests = [];
  globalThis.fetch = async (path, options) => {
    requests.push({ path, ...options });
    return new Response(JSON.stringify({ settings: { table: "short" }, revision: 3, applied: true }));
  };
  const reply = await sendSettings(peer, { table: "x".repeat(100000) });
  assert.equal(reply.settings.table, "short");
  assert.equal(asked.length, 0);
  assert.equal(requests[0].path, "/sessions/my%20show/settings");
  assert.equal(requests[0].method, "PATCH");
  assert.equal(requests[0].headers.get("Authorization"), "Bearer secret");
});

test("what the server refuses is an ApiError with its fields", async () => {
  const { peer } = peerThatAsks();
  const error = { code: "invalid_settings", message: "line 3", fields: [{ field: "table", message: "line 3" }] };
  globalThis.fetch = async () => new Response(JSON.stringify({ error }), { status: 422 });
  await assert.rejects(sendSettings(peer, { table: "x".repeat(100000) }), { status: 422, fields: error.fields });
});

test("a stage is named, and long settings of one go to its own path", async () => {
  const { peer, asked } = peerThatAsks();
  await sendSettings(peer, { gain: 2 }, "grade-2");
  assert.deepEqual(asked, [{ type: "settings", stage: "grade-2", settings: { gain: 2 } }]);
  let asking = "";
  globalThis.fetch = async (path) => ((asking = path), new Response(JSON.stringify({ settings: {} })));
  await sendSettings(peer, { table: "x".repeat(100000) }, "grade-2");
  assert.equal(asking, "/sessions/my%20show/stages/grade-2/settings");
});

test("a chain with long settings goes by HTTP and gives the session", async () => {
  const { peer, asked } = peerThatAsks();
  await sendSession(peer, { pipeline: "gray" });
  assert.deepEqual(asked, [{ type: "session", pipeline: "gray" }]);
  const wish = { preprocessors: [{ id: "grade", settings: { cube: "x".repeat(100000) } }] };
  globalThis.fetch = async (path, options) => new Response(JSON.stringify({ name: path, got: JSON.parse(options.body) }));
  assert.deepEqual(await sendSession(peer, wish), { session: { name: "/sessions/my%20show", got: wish } });
});
