// The data of the page: one compressed block, a JSON text and the bytes of all arrays behind it.

/** @type {Record<string, any>} */
const KINDS = { f8: Float64Array, f4: Float32Array, i8: BigInt64Array, i4: Int32Array, u1: Uint8Array };

/** @param {string} base64 */
export function bytesOf(base64) {
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

export async function loaded() {
  const packed = bytesOf(document.getElementById("data").textContent);
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  const buffer = await new Response(stream).arrayBuffer();
  const length = new DataView(buffer).getUint32(0, true);
  const page = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 8, length)));
  const start = 8 + Math.ceil(length / 8) * 8;
  page.numbersOf = (/** @type {any} */ summary) => {
    const [offset, kind, shape] = summary.stored;
    const size = shape.reduce((/** @type {number} */ a, /** @type {number} */ b) => a * b, 1);
    return new KINDS[kind](buffer, start + offset, size);
  };
  page.bytesAt = (/** @type {number[]} */ [offset, length]) => new Uint8Array(buffer, start + offset, length);
  return page;
}

/** A number as exactly as its type holds it, with as few digits as that takes. @param {any} value @param {string} kind */
export function exact(value, kind) {
  if (typeof value === "bigint") return String(value);
  if (Object.is(value, -0)) return "-0";
  if (!Number.isFinite(value)) return String(value);
  if (kind !== "f4") return String(value);
  for (let digits = 6; digits < 9; digits++) {
    const text = value.toPrecision(digits);
    if (Math.fround(Number(text)) === value) return String(Number(text));
  }
  return String(Number(value.toPrecision(9)));
}
