/** What the page says, in one place. */
export const strings = {
  empty: "Choose a source and a pipeline, then press Start.",
  connecting: "Connecting…",
  stopped: "Stopped",
  lost: "The connection was lost. Reconnecting…",
  unreachable: "The server does not answer. Is it still running?",
  unauthorised: "This server wants a token. Open the address that it printed at its start.",
  reload: "Reload with these values",
  unset: "unset",
  fromFile: "from a file",
  unavailable: "not available here",
  insecure: (/** @type {string} */ host) =>
    `Browsers give a camera only to secure pages. Open this page as http://localhost or over https (now: ${host}).`,
  denied: "The camera was refused. Allow it in the address bar, then press Start again.",
  inUse: "The camera is used by another program. Close that program, then press Start again.",
  noCamera: "No camera was found. Plug one in, or choose a file or the screen.",
  noMicrophone: "The microphone cannot be used. Allow it in the address bar, or go on without sound.",
  unmute: "Sound on",
  mute: "Sound off",
  noUrl: "Enter the URL that the server shall read first.",
  noFile: "Choose a video file first.",
  screenRefused: "Nothing was shared. Press Start again and choose what to share.",
  ended: (/** @type {string} */ reason) => `The session ended: ${reason}.`,
  phases: /** @type {Record<string, string>} */ ({
    download: "Fetching", load: "Loading", warm_up: "Warming up",
  }),
  states: /** @type {Record<string, string>} */ ({
    loading: "Loading", waiting: "Waiting for video", live: "Live", paused: "Paused",
    grace: "Publisher left", failed: "Failed",
  }),
};
