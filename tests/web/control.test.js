import assert from "node:assert/strict";
import { test } from "node:test";

import { Control } from "../../static/js/client/control.js";

class Channel extends EventTarget {
  readyState = "connecting";
  sent = [];
  send(text) {
    this.sent.push(JSON.parse(text));
  }
  opens() {
    this.readyState = "open";
    this.dispatchEvent(new Event("open"));
  }
  says(message) {
    this.dispatchEvent(new MessageEvent("message", { data: JSON.stringify(message) }));
  }
}

test("what is asked before the channel is open is sent when it opens", async () => {
  const channel = new Channel();
  const control = new Control(channel);
  const reply = control.ask({ type: "settings", settings: { gain: 2 } });
  assert.equal(channel.sent.length, 0);
  channel.opens();
  assert.deepEqual(channel.sent, [{ type: "settings", settings: { gain: 2 }, id: 1 }]);
  channel.says({ type: "settings", id: 1, settings: { gain: 2 } });
  assert.deepEqual((await reply).settings, { gain: 2 });
});

test("what waits for the channel is refused when it closes first, and sent no more", async () => {
  const channel = new Channel();
  const control = new Control(channel);
  const reply = control.ask({ type: "settings", settings: {} });
  control.close();
  await assert.rejects(reply, { code: "closed" });
  channel.opens();
  assert.equal(channel.sent.length, 0);
});

test("nothing is asked over a closed channel", async () => {
  const channel = new Channel();
  channel.readyState = "closed";
  await assert.rejects(new Control(channel).ask({ type: "settings" }), { code: "closed" });
});
