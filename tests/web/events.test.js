import assert from "node:assert/strict";
import { test } from "node:test";

import { EventParser, SessionEvents, workerEvents } from "../../static/js/client/events.js";
import { Revival } from "../../static/js/client/revival.js";

const STREAM = ': still here\n\nevent: state\ndata: {"name": "a: b"}\n\nevent: ended\ndata: {"reason": "x"}\n\n';
const EVENTS = [{ kind: "state", body: { name: "a: b" } }, { kind: "ended", body: { reason: "x" } }];

test("events are put together wherever the chunks are cut", () => {
  for (let cut = 0; cut <= STREAM.length; cut++) {
    const parser = new EventParser();
    assert.deepEqual([...parser.push(STREAM.slice(0, cut)), ...parser.push(STREAM.slice(cut))], EVENTS);
  }
  const parser = new EventParser();
  assert.deepEqual([...STREAM].flatMap((character) => parser.push(character)), EVENTS);
});

test("a worker's death is survived once a minute, another end never", () => {
  const revival = new Revival();
  assert.equal(revival.allows({ code: "ended" }, 0), false);
  assert.equal(revival.allows({ code: "worker_died" }, 0), true);
  assert.equal(revival.allows({ code: "worker_died" }, 59999), false);
  assert.equal(revival.allows({ code: "worker_died" }, 60000), true);
});

test("a subscription asks with the token, tells the end and then asks no more", async () => {
  const asked = [];
  globalThis.sessionStorage = { getItem: () => "secret" };
  globalThis.fetch = async (path, options) => {
    asked.push([path, options.headers.get("Authorization")]);
    return new Response(STREAM);
  };
  const events = new SessionEvents("my show");
  const ended = new Promise((resolve) => events.addEventListener("ended", (event) => resolve(event.detail)));
  assert.deepEqual(await ended, { reason: "x" });
  await new Promise((resolve) => setTimeout(resolve, 10));
  assert.deepEqual(asked, [["/sessions/my%20show/events", "Bearer secret"]]);
});

test("no connection is spent on the deaths of workers that do not exist", async () => {
  globalThis.fetch = async () => Response.json({ workers: [] });
  assert.equal(await workerEvents("show"), null);
  globalThis.fetch = async (path) => (path === "/health" ? Response.json({ workers: [{}] }) : new Response(STREAM));
  assert.ok((await workerEvents("show")) instanceof SessionEvents);
});
