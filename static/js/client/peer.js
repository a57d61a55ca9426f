/** WebRTC connections: `/offer` (send and receive) and WHEP (watch). */
import { getJson, postJson, request, token } from "./api.js";
import { Control } from "./control.js";

const GATHER_TIMEOUT_MS = 500;

/** Events: `video` (detail: MediaStream, sound included), `gone` (the connection broke). */
export class Peer extends EventTarget {
  /** @type {RTCPeerConnection} */ #pc;
  /** @type {RTCRtpTransceiver} */ #audio;
  /** @type {RTCRtpTransceiver} */ #video;
  #received = new MediaStream();
  #resource = "";
  #closed = false;
  /** @type {Control} */ control;
  session = "";

  /** @param {RTCConfiguration} configuration @param {RTCRtpTransceiverDirection} direction */
  constructor(configuration, direction) {
    super();
    this.#pc = new RTCPeerConnection(configuration);
    this.#audio = this.#pc.addTransceiver("audio", { direction });
    this.#video = this.#pc.addTransceiver("video", { direction });
    this.control = new Control(this.#pc.createDataChannel("control"));
    this.#pc.addEventListener("track", (event) => {
      event.receiver.jitterBufferTarget = 0;
      this.#received.addTrack(event.track);
      if (event.track.kind === "video") this.dispatchEvent(new CustomEvent("video", { detail: this.#received }));
    });
    this.#pc.addEventListener("connectionstatechange", () => {
      const state = this.#pc.connectionState;
      if (state === "failed" || (state === "disconnected" && !this.#closed)) {
        this.dispatchEvent(new CustomEvent("gone"));
      }
    });
  }

  /** @param {RTCRtpTransceiverDirection} direction */
  static async create(direction) {
    return new Peer(await getJson("/ice-servers"), direction);
  }

  /** @param {MediaStreamTrack|null} track */
  async sendTrack(track) {
    await this.#video.sender.replaceTrack(track);
  }

  /** @param {MediaStreamTrack|null} track */
  async sendSound(track) {
    await this.#audio.sender.replaceTrack(track);
  }

  /** @param {Record<string, any>} wishes session, pipeline, mode, settings */
  async offer(wishes) {
    const answer = await postJson("/offer", { ...wishes, sdp: await this.#localSdp(), type: "offer" });
    this.#resource = answer.resource;
    this.session = answer.session;
    await this.#pc.setRemoteDescription({ type: "answer", sdp: answer.sdp });
  }

  /** @param {string} session */
  async watch(session) {
    const response = await request(`/whep/${encodeURIComponent(session)}`, {
      method: "POST",
      headers: { "Content-Type": "application/sdp" },
      body: await this.#localSdp(),
    });
    this.#resource = response.headers.get("Location") ?? "";
    this.session = session;
    await this.#pc.setRemoteDescription({ type: "answer", sdp: await response.text() });
  }

  async #localSdp() {
    const offer = await this.#pc.createOffer();
    await this.#pc.setLocalDescription({ type: "offer", sdp: inStereo(offer.sdp ?? "") });
    if (this.#pc.iceGatheringState !== "complete") {
      await new Promise((resolve) => {
        const timer = setTimeout(resolve, GATHER_TIMEOUT_MS);
        this.#pc.addEventListener("icegatheringstatechange", () => {
          if (this.#pc.iceGatheringState !== "complete") return;
          clearTimeout(timer);
          resolve(undefined);
        });
      });
    }
    return this.#pc.localDescription?.sdp ?? "";
  }

  /** Say goodbye and close; works while the page is being left. */
  close() {
    if (this.#closed) return;
    this.#closed = true;
    this.control.close();
    this.#pc.close();
    const bearer = token();
    const headers = bearer ? { Authorization: `Bearer ${bearer}` } : undefined;
    if (this.#resource) {
      void fetch(this.#resource, { method: "DELETE", keepalive: true, headers }).catch(() => {});
    }
  }
}

/** Ask for both channels: Chromium's own offer means mono (RFC 7587 section 6.1). @param {string} sdp */
function inStereo(sdp) {
  return sdp.includes("stereo=1") ? sdp : sdp.replace("useinbandfec=1", "useinbandfec=1;stereo=1");
}
