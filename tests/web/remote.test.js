import assert from "node:assert/strict";
import { test } from "node:test";

import { RemoteSource } from "../../static/js/client/remote.js";

globalThis.sessionStorage = { getItem: () => null };

test("settings of a stage, and of the main pipeline, go to their paths", async () => {
  const asked = [];
  globalThis.fetch = async (path, options) => {
    asked.push(`${options.method} ${path}`);
    return new Response(JSON.stringify({ name: "my show", settings: {} }), { status: 200 });
  };
  const source = new RemoteSource({ url: "rtsp://camera/stream", loop: false });
  await source.start({ session: "my show" });
  await source.ask({ type: "settings", stage: "gray-2", settings: { amount: 1 } });
  await source.ask({ type: "settings", settings: { amount: 1 } });
  assert.deepEqual(asked.slice(1), [
    "PATCH /sessions/my%20show/stages/gray-2/settings",
    "PATCH /sessions/my%20show/stages/main/settings",
  ]);
});
