"""JavaScript that the tests run inside the page."""

START_COUNTING = """() => {
  const video = document.querySelector("#output");
  window.shown = [];
  const note = (now) => { window.shown.push(now); video.requestVideoFrameCallback(note); };
  video.requestVideoFrameCallback(note);
}"""
VIDEO_STATS = """async () => {
  for (const peer of window.peers) {
    for (const report of (await peer.getStats()).values()) {
      if (report.type === "inbound-rtp" && report.kind === "video") return report;
    }
  }
}"""
KEEP_PEERS = """window.peers = [];
const Real = RTCPeerConnection;
window.RTCPeerConnection = function (...args) {
  const peer = new Real(...args);
  window.peers.push(peer);
  return peer;
};"""
MEAN = """() => {
  const video = document.querySelector("#output"), canvas = document.createElement("canvas");
  canvas.width = 64; canvas.height = 48;
  const context = canvas.getContext("2d");
  context.drawImage(video, 0, 0, 64, 48);
  const { data } = context.getImageData(0, 0, 64, 48);
  let spread = 0, light = 0;
  for (let i = 0; i < data.length; i += 4) {
    spread += Math.max(data[i], data[i + 1], data[i + 2]) - Math.min(data[i], data[i + 1], data[i + 2]);
    light += data[i] + data[i + 1] + data[i + 2];
  }
  return { spread: spread / (64 * 48), light: light / (64 * 48 * 3) };
}"""
AUDIO_STATS = """async () => {
  for (const peer of window.peers) {
    for (const report of (await peer.getStats()).values()) {
      if (report.type === "inbound-rtp" && report.kind === "audio") return report;
    }
  }
}"""
