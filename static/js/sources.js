/** Where video and sound come from: camera, screen, file, microphone, a URL that the server reads, or nothing. */
import { RemoteSource } from "./client/remote.js";
import { strings } from "./strings.js";

/** A source that cannot be opened, with a message for the user. */
export class SourceError extends Error {}

/**
 * @typedef {{track: MediaStreamTrack|null, sound: MediaStreamTrack|null, stream: MediaStream|null, remote?: RemoteSource, close: () => void}} Source
 */

/** @param {string} kind @param {{device: string, file: File|null, url: string, loop: boolean}} choice @returns {Promise<Source>} */
export async function openSource(kind, choice) {
  if (kind === "none") return { track: null, sound: null, stream: null, close() {} };
  if (kind === "url") return openUrl(choice);
  if (kind === "file") return openFile(choice.file);
  if (!navigator.mediaDevices) throw new SourceError(strings.insecure(location.host));
  const stream = await (kind === "screen" ? openScreen() : openCamera(choice.device));
  const close = () => stream.getTracks().forEach((track) => track.stop());
  return { track: stream.getVideoTracks()[0], sound: stream.getAudioTracks()[0] ?? null, stream, close };
}

/** @param {{url: string, loop: boolean}} choice @returns {Source} */
function openUrl({ url, loop }) {
  if (!url) throw new SourceError(strings.noUrl);
  const remote = new RemoteSource({ url, loop });
  return { track: null, sound: null, stream: null, remote, close: () => remote.close() };
}

/** @returns {Promise<MediaDeviceInfo[]>} */
export async function cameras() {
  const devices = (await navigator.mediaDevices?.enumerateDevices()) ?? [];
  return devices.filter((device) => device.kind === "videoinput");
}

/** @returns {Promise<MediaStreamTrack>} */
export async function openMicrophone() {
  try {
    return (await navigator.mediaDevices.getUserMedia({ audio: true })).getAudioTracks()[0];
  } catch {
    throw new SourceError(strings.noMicrophone);
  }
}

/** @param {string} device */
async function openCamera(device) {
  const video = { width: { ideal: 640 }, height: { ideal: 480 }, frameRate: { ideal: 30 } };
  try {
    const chosen = device ? { ...video, deviceId: { exact: device } } : video;
    return await navigator.mediaDevices.getUserMedia({ video: chosen });
  } catch (error) {
    throw new SourceError(cameraMessage(/** @type {DOMException} */ (error)));
  }
}

/** @param {DOMException} error */
function cameraMessage(error) {
  if (error.name === "NotAllowedError" || error.name === "SecurityError") return strings.denied;
  if (error.name === "NotReadableError" || error.name === "AbortError") return strings.inUse;
  if (error.name === "NotFoundError" || error.name === "OverconstrainedError") return strings.noCamera;
  return error.message;
}

async function openScreen() {
  try {
    return await navigator.mediaDevices.getDisplayMedia({ video: { frameRate: 30 }, audio: true });
  } catch {
    throw new SourceError(strings.screenRefused);
  }
}

/** @param {File|null} file @returns {Promise<Source>} */
async function openFile(file) {
  if (!file) throw new SourceError(strings.noFile);
  const video = document.createElement("video");
  video.muted = video.loop = video.playsInline = true;
  video.src = URL.createObjectURL(file);
  try {
    await video.play();
  } catch {
    URL.revokeObjectURL(video.src);
    throw new SourceError(`${file.name}: this browser cannot play it. Try MP4 or WebM.`);
  }
  const stream = /** @type {any} */ (video).captureStream();
  const close = () => {
    video.pause();
    URL.revokeObjectURL(video.src);
  };
  return { track: stream.getVideoTracks()[0], sound: stream.getAudioTracks()[0] ?? null, stream, close };
}
