// Arrays as small pictures.

import { bytesOf } from "./data.js";
import { h } from "./dom.js";

/** @param {any} thumb @param {any} colours */
export const thumbnail = (thumb, colours) => painted(h("canvas", {}), thumb, colours);

const EASEL = h("canvas", {});
EASEL.getContext("2d", { willReadFrequently: true });
/** @type {WeakMap<any[], string>} */
const ADDRESSES = new WeakMap();

/** The same as an address that holds all of it. @param {any} thumb @param {any} colours */
export function address(thumb, colours) {
  if (!ADDRESSES.has(thumb)) ADDRESSES.set(thumb, painted(EASEL, thumb, colours).toDataURL());
  return ADDRESSES.get(thumb);
}

/** Levels from -127 to 127, around zero; -128 is not finite. @param {HTMLCanvasElement} canvas @param {any} thumb @param {any} colours */
function painted(canvas, [width, height, packed, isImage], colours) {
  const levels = typeof packed === "string" ? new Int8Array(bytesOf(packed).buffer) : packed;
  Object.assign(canvas, { width, height });
  const context = canvas.getContext("2d");
  const pixels = context.createImageData(width, height);
  const table = isImage ? colours.grey : colours.diverging;
  levels.forEach((/** @type {number} */ level, /** @type {number} */ i) => pixels.data.set([...table[level + 128], 255], 4 * i));
  context.putImageData(pixels, 0, 0);
  return canvas;
}

/**
 * How large one is drawn, within so many pixels: whole pixels where they fit.
 * @param {any} thumb @param {{width: number, height: number}} most
 */
export function thumbnailSize([width, height], most) {
  const scale = Math.min(most.width / width, most.height / height);
  const whole = scale >= 2 ? Math.min(Math.floor(scale), 12) : scale;
  return { width: Math.max(width * whole, 9), height: Math.max(height * whole, 9) };
}
