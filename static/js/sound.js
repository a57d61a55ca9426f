/** The button that turns the sound of a video on: browsers start playing only in silence. */
import { strings } from "./strings.js";

/**
 * Wire `button` to `video`; gives a function that shows it while a SESSION has sound.
 * @param {HTMLButtonElement} button @param {HTMLVideoElement} video
 */
export function soundButton(button, video) {
  const label = () => {
    button.textContent = video.muted ? strings.unmute : strings.mute;
    button.setAttribute("aria-pressed", String(!video.muted));
  };
  button.addEventListener("click", () => {
    video.muted = !video.muted;
  });
  video.addEventListener("volumechange", label);
  label();
  return (/** @type {any} */ session) => {
    button.hidden = !session?.audio?.from;
  };
}
