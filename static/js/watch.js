/** The watch page: one WHEP viewer that comes back by itself. */
import { adoptToken, ApiError } from "./client/api.js";
import { workerEvents } from "./client/events.js";
import { Peer } from "./client/peer.js";
import { soundButton } from "./sound.js";
import { renderState } from "./state-line.js";
import { strings } from "./strings.js";

const RECONNECT_MS = [500, 1000, 2000, 5000];

const element = (/** @type {string} */ id) => /** @type {any} */ (document.getElementById(id));
const session = decodeURIComponent(location.pathname.split("/").pop() ?? "");
/** @type {Peer|null} */
let peer = null;
/** @type {import("./client/events.js").SessionEvents|null} */
let events = null;
let attempt = 0;
const showSound = soundButton(element("sound"), element("output"));

async function watch() {
  try {
    const opened = await Peer.create("recvonly");
    peer = opened;
    opened.addEventListener("video", (event) => {
      element("output").srcObject = /** @type {CustomEvent} */ (event).detail;
    });
    opened.addEventListener("gone", () => again(strings.lost));
    opened.control.addEventListener("state", (event) => {
      attempt = 0;
      const { session } = /** @type {CustomEvent} */ (event).detail;
      renderState(element("state"), session);
      showSound(session);
      element("messages").textContent = "";
    });
    opened.control.addEventListener("ended", (event) => {
      again(strings.ended(/** @type {CustomEvent} */ (event).detail.reason));
    });
    await opened.watch(session);
    void listen(opened);
  } catch (error) {
    const refused = error instanceof ApiError && error.status >= 400 && error.status < 500;
    const message = error instanceof Error ? error.message : String(error);
    if (refused) element("messages").textContent = message;
    else again(message);
  }
}

/** Hear of the session's end even when its process dies and cannot say goodbye. @param {Peer} opened */
async function listen(opened) {
  events?.close();
  const found = await workerEvents(session);
  if (peer !== opened) return found?.close();
  events = found;
  found?.addEventListener("ended", (event) => {
    const ended = /** @type {CustomEvent} */ (event).detail;
    if (peer !== opened || ended.code !== "worker_died") return;
    element("state").textContent = strings.ended(ended.reason);
    again(strings.ended(ended.reason));
  });
}

/** @param {string} why */
function again(why) {
  peer?.close();
  events?.close();
  peer = events = null;
  element("messages").textContent = why;
  setTimeout(watch, RECONNECT_MS[Math.min(attempt++, RECONNECT_MS.length - 1)]);
}

adoptToken();
element("name").textContent = session;
document.title = `${session} · Lightmill`;
element("fullscreen").addEventListener("click", () => element("output").requestFullscreen());
addEventListener("pagehide", () => peer?.close());
void watch();
