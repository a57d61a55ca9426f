/** An image from a file as a `data:` URL, as small as a setting wants it. */

/** Most pixels that are sent: 1280x720 looks sharp behind a person. */
const MAX_PIXELS = 1280 * 720;
/** Settings travel whole with each state of a session: a short URL serves all who watch. */
const MAX_CHARACTERS = 49_152;
const LEAST_SIDE = 16;
const QUALITIES = [0.85, 0.7, 0.55];

/**
 * Scale it down and pack it as JPEG until it fits; what is clear becomes white.
 * @param {Blob} file @param {number|null} maxLength of the URL, in characters
 * @returns {Promise<string>} rejects when the browser cannot read the file as an image
 */
export async function imageUrl(file, maxLength) {
  const bitmap = await createImageBitmap(file);
  const room = Math.min(maxLength ?? MAX_CHARACTERS, MAX_CHARACTERS);
  let scale = Math.min(1, Math.sqrt(MAX_PIXELS / (bitmap.width * bitmap.height)));
  try {
    for (;;) {
      const canvas = drawn(bitmap, scale);
      const last = Math.max(canvas.width, canvas.height) <= LEAST_SIDE;
      for (const fidelity of QUALITIES) {
        const url = canvas.toDataURL("image/jpeg", fidelity);
        if (url.length <= room || (last && fidelity === QUALITIES.at(-1))) return url;
      }
      scale *= 0.8;
    }
  } finally {
    bitmap.close();
  }
}

/** @param {ImageBitmap} bitmap @param {number} scale */
function drawn(bitmap, scale) {
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.floor(bitmap.width * scale));
  canvas.height = Math.max(1, Math.floor(bitmap.height * scale));
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  context.fillStyle = "white";
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  return canvas;
}
