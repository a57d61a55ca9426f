/** The page: wires sources, pipelines, settings and the connection. */
import { adoptToken, ApiError, getJson, request } from "./client/api.js";
import { SessionEvents, workerEvents } from "./client/events.js";
import { Latest } from "./client/latest.js";
import { Peer } from "./client/peer.js";
import { Revival } from "./client/revival.js";
import { ChainEditor } from "./components/chain-editor.js";
import "./components/control-pad.js";
import { sendSession, sendSettings } from "./client/send-settings.js";
import { LoadingBar } from "./components/loading-bar.js";
import { SettingsForm } from "./components/settings-form.js";
import { wirePresets } from "./presets.js";
import { recordingPanel } from "./recording.js";
import { soundButton } from "./sound.js";
import { cameras, openMicrophone, openSource, SourceError } from "./sources.js";
import { strings } from "./strings.js";
import { renderState } from "./state-line.js";

/** What an offer takes when nothing need be loaded; only after that is it worth asking. */
const PATIENCE_MS = 500;
const RECONNECT_MS = [500, 1000, 2000, 5000];

const element = (/** @type {string} */ id) => /** @type {any} */ (document.getElementById(id));
const showSound = soundButton(element("sound"), element("output"));
const showRecording = recordingPanel(element("recording"), report);
const form = /** @type {SettingsForm} */ (element("settings"));
const loading = /** @type {LoadingBar} */ (element("loading"));
const chain = /** @type {ChainEditor} */ (element("chain"));
/** @type {Map<string, Latest>} */
const stageSenders = new Map();

/** @type {Record<string, any>} */
const pipelines = {};
/** @type {Peer|null} */
let peer = null;
/** @type {import("./client/events.js").SessionEvents|null} */
let events = null;
/** @type {import("./sources.js").Source|null} */
let source = null;
/** @type {MediaStreamTrack|null} */
let microphone = null;
let attempt = 0;
let wanted = false;
const revival = new Revival();
/** @type {(() => void)|null} Ends a session that is still being opened. */
let abandon = null;

const sender = new Latest(async (settings) => {
  try {
    const asked = theServer();
    if (asked) form.confirm((await sendSettings(asked, settings)).settings);
  } catch (error) {
    report(error);
  }
});

/** Whom to ask for changes while live: the session of a source has no publisher's channel. */
function theServer() {
  return peer && source?.remote ? { control: source.remote, session: "" } : peer;
}

/** One request at a time for each stage. @param {string} stage */
function stageSender(stage) {
  const send = async (/** @type {Record<string, any>} */ settings) => {
    try {
      const asked = theServer();
      if (!asked) return;
      await sendSettings(asked, settings, stage);
      chain.applied(stage, settings);
    } catch (error) {
      if (!(error instanceof ApiError && chain.refuse(stage, error.fields))) report(error);
    }
  };
  const known = stageSenders.get(stage) ?? new Latest(send);
  stageSenders.set(stage, known);
  return known;
}

/** @param {unknown} error */
function report(error) {
  if (error instanceof ApiError && error.status === 0 && error.code === "closed") return; // its end is told elsewhere
  if (error instanceof ApiError && form.refuse(error.fields)) return;
  const known = error instanceof ApiError || error instanceof SourceError || error instanceof Error;
  let text = known ? error.message : String(error);
  if (error instanceof ApiError && error.status === 0 && error.code === "unreachable") text = strings.unreachable;
  if (error instanceof ApiError && error.status === 401) text = strings.unauthorised;
  say(text, "error");
}

/** @param {string} text @param {string} [kind] */
function say(text, kind = "note") {
  const messages = element("messages");
  messages.textContent = text;
  messages.dataset.kind = kind;
}

async function loadPipelines() {
  const listing = await getJson("/pipelines");
  const select = element("pipeline");
  for (const pipeline of listing.pipelines) {
    pipelines[pipeline.id] = pipeline;
    const text = pipeline.available ? pipeline.name : `${pipeline.name} (${pipeline.reason ?? strings.unavailable})`;
    const option = new Option(text, pipeline.id);
    option.disabled = !pipeline.available;
    select.add(option);
  }
  select.value = listing.default;
  chain.show(pipelines);
  choosePipeline();
}

function choosePipeline() {
  const pipeline = pipelines[element("pipeline").value];
  element("about").textContent = pipeline.description;
  const mode = element("mode");
  mode.replaceChildren(...Object.keys(pipeline.modes).map((name) => new Option(name)));
  mode.value = pipeline.default_mode;
  mode.disabled = Object.keys(pipeline.modes).length < 2;
  showForm();
}

/** Fill the controls with a chain. @param {any} loaded */
function showChain(loaded) {
  if (loaded.pipeline) {
    element("pipeline").value = loaded.pipeline;
    choosePipeline();
    element("mode").value = loaded.mode;
    showForm();
    form.fill(loaded.settings);
  }
  chain.fill(loaded);
}

function showForm() {
  const pipeline = pipelines[element("pipeline").value];
  form.show(pipeline, element("mode").value);
  form.live = peer !== null;
  element("controls").hidden = !pipeline.supports_controls;
}

/** Switch while live; the form shows what the server says is running. @param {Record<string, any>} wish */
async function switchTo(wish) {
  const asked = theServer();
  if (!asked) return;
  try {
    const reply = await sendSession(asked, wish);
    follow(reply.session);
    say("");
  } catch (error) {
    report(error);
  }
}

/** @param {any} session */
function follow(session) {
  renderState(element("state"), session);
  showSound(session);
  showRecording(session);
  loading.show(session.loading);
  document.body.dataset.state = session.state;
  const { pipeline, mode } = session;
  if (pipeline && pipeline !== element("pipeline").value) {
    element("pipeline").value = pipeline;
    choosePipeline();
  }
  if (mode && mode !== element("mode").value) {
    element("mode").value = mode;
    showForm();
  }
  form.confirm(session.settings);
  chain.follow(session);
  const trouble = session.error ?? (source?.remote && session.publisher?.error);
  if (trouble) say(trouble, "error");
}

async function start() {
  wanted = true;
  element("start").disabled = element("empty").hidden = true;
  say(strings.connecting);
  try {
    const choice = {
      device: element("camera").value,
      file: element("file").files[0] ?? null,
      url: element("url").value.trim(),
      loop: element("loop").checked,
    };
    source = await openSource(element("source").value, choice);
    if (element("source").value === "camera" && element("microphone").checked) microphone = await openMicrophone();
    showPreview(source.stream);
    await connect(form.changes);
    say("");
  } catch (error) {
    stop();
    report(error);
  }
}

/** @param {Record<string, any>} settings */
async function connect(settings) {
  const remote = source?.remote;
  const opened = await Peer.create(remote ? "recvonly" : "sendrecv");
  peer = opened;
  opened.addEventListener("video", (event) => {
    element("output").srcObject = /** @type {CustomEvent} */ (event).detail;
  });
  opened.addEventListener("gone", () => reconnect(opened));
  opened.control.addEventListener("state", (event) => {
    const detail = /** @type {CustomEvent} */ (event).detail;
    if (peer === opened) follow(detail.session);
  });
  opened.control.addEventListener("ended", (event) => {
    stop();
    say(strings.ended(/** @type {CustomEvent} */ (event).detail.reason), "error");
  });
  await opened.sendTrack(source?.track ?? null);
  await opened.sendSound(microphone ?? source?.sound ?? null);
  const session = element("session").value.trim() || `session-${crypto.getRandomValues(new Uint32Array(1))[0].toString(16)}`;
  const codec = element("codec").value;
  const wishes = {
    session,
    ...(codec ? { codec } : {}),
    pipeline: element("pipeline").value,
    mode: element("mode").value,
    settings,
    ...chain.chain,
  };
  const joining = remote ? remote.start(wishes).then((path) => opened.watch(path)) : opened.offer(wishes);
  await whileLoading(session, joining);
  void listen(opened);
  element("session").value = opened.session;
  const link = element("watch-link");
  link.href = `/watch/${encodeURIComponent(opened.session)}`;
  link.hidden = false;
  attempt = 0;
  showLive(true);
}

/** Show how far the session's pipeline is while the offer waits for it. @param {string} session @param {Promise<void>} offer */
async function whileLoading(session, offer) {
  const opening = { close: () => {} };
  const timer = setTimeout(() => {
    const events = new SessionEvents(session, { opening: true });
    opening.close = () => events.close();
    events.addEventListener("state", (event) => {
      const opened = /** @type {CustomEvent} */ (event).detail;
      loading.show(opened.loading);
      if (opened.state !== "loading" || abandon) return;
      abandon = () => void request(`/sessions/${encodeURIComponent(session)}`, { method: "DELETE" }).catch(report);
      element("stop").disabled = false;
    });
  }, PATIENCE_MS);
  try {
    await offer;
  } finally {
    clearTimeout(timer);
    opening.close();
    abandon = null;
    loading.show(null);
  }
}

/** Hear of the session's end even when its process dies and cannot say goodbye. @param {Peer} opened */
async function listen(opened) {
  events?.close();
  const found = await workerEvents(opened.session);
  if (peer !== opened) return found?.close();
  events = found;
  found?.addEventListener("ended", (event) => {
    const ended = /** @type {CustomEvent} */ (event).detail;
    if (peer !== opened) return;
    const text = strings.ended(ended.reason);
    if (revival.allows(ended, performance.now())) {
      element("state").textContent = text;
      void reconnect(opened, text);
    } else if (ended.code === "worker_died") {
      stop();
      element("state").textContent = text;
      say(text, "error");
    }
  });
}

/** @param {Peer} lost @param {string} [why] */
async function reconnect(lost, why = strings.lost) {
  if (peer !== lost || !wanted) return;
  lost.close();
  events?.close();
  while (wanted) {
    say(why, "error");
    await new Promise((resolve) => setTimeout(resolve, RECONNECT_MS[Math.min(attempt++, RECONNECT_MS.length - 1)]));
    if (!wanted) return;
    try {
      await connect(form.changes);
      say("");
      return;
    } catch (error) {
      if (error instanceof ApiError && error.status >= 400 && error.status < 500) {
        stop();
        report(error);
        return;
      }
    }
  }
}

function stop() {
  abandon?.();
  wanted = false;
  peer?.close();
  events?.close();
  source?.close();
  microphone?.stop();
  peer = events = source = microphone = null;
  showSound(null);
  showRecording(null);
  element("output").srcObject = null;
  showPreview(null);
  showLive(false);
  element("watch-link").hidden = true;
  delete document.body.dataset.state;
  element("state").textContent = strings.stopped;
}

/** Switch the microphone while live. */
async function switchMicrophone() {
  if (!peer || element("source").value !== "camera") return;
  microphone?.stop();
  microphone = null;
  try {
    if (element("microphone").checked) microphone = await openMicrophone();
  } catch (error) {
    element("microphone").checked = false;
    report(error);
  }
  await peer?.sendSound(microphone);
}

/** @param {MediaStream|null} stream */
function showPreview(stream) {
  element("preview").srcObject = stream;
  element("preview").hidden = stream === null;
}

/** @param {boolean} live */
function showLive(live) {
  form.live = chain.live = element("presets").savable = live;
  element("start").disabled = live;
  element("stop").disabled = !live;
  element("source").disabled = element("session").disabled = element("codec").disabled = live;
  element("empty").hidden = live;
}

async function showSourceOptions() {
  const kind = element("source").value;
  element("camera-row").hidden = element("microphone-row").hidden = kind !== "camera";
  element("file-row").hidden = kind !== "file";
  element("url-row").hidden = element("loop-row").hidden = kind !== "url";
  if (kind !== "camera") return;
  const found = await cameras();
  const options = found.map((device, index) => new Option(device.label || `Camera ${index + 1}`, device.deviceId));
  element("camera").replaceChildren(new Option("Default", ""), ...options);
}

function wire() {
  element("source").addEventListener("change", showSourceOptions);
  element("pipeline").addEventListener("change", () => {
    choosePipeline();
    void switchTo({ pipeline: element("pipeline").value });
  });
  element("mode").addEventListener("change", () => {
    showForm();
    void switchTo({ mode: element("mode").value });
  });
  element("microphone").addEventListener("change", switchMicrophone);
  element("start").addEventListener("click", start);
  element("stop").addEventListener("click", () => {
    stop();
    say("");
  });
  form.addEventListener("setting", (event) => {
    const { name, value } = /** @type {CustomEvent} */ (event).detail;
    if (peer && !form.isLoadParam(name)) sender.push({ [name]: value });
  });
  form.addEventListener("reload", (event) => void switchTo({ settings: /** @type {CustomEvent} */ (event).detail }));
  chain.addEventListener("chain", (event) => void switchTo(/** @type {CustomEvent} */ (event).detail));
  chain.addEventListener("stage-setting", (event) => {
    const { stage, name, value } = /** @type {CustomEvent} */ (event).detail;
    stageSender(stage).push({ [name]: value });
  });
  element("controls").addEventListener("controls", (/** @type {CustomEvent} */ event) => {
    peer?.control.tell({ type: "controls", ...event.detail });
  });
  addEventListener("pagehide", () => peer?.close());
}

adoptToken();
wire();
void showSourceOptions();
const page = { session: () => peer?.session ?? null, show: showChain, report };
loadPipelines().then(() => wirePresets(element("presets"), page)).catch(report);
