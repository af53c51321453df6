// The data of the page: one compressed block, a JSON text and the bytes of all arrays behind it.

const KINDS = { f8: Float64Array, f4: Float32Array, i8: BigInt64Array, i4: Int32Array, u1: Uint8Array };

function bytesOf(base64) {
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

async function loaded() {
  const packed = bytesOf(document.getElementById("data").textContent);
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  const buffer = await new Response(stream).arrayBuffer();
  const length = new DataView(buffer).getUint32(0, true);
  const page = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 8, length)));
  const start = 8 + Math.ceil(length / 8) * 8;
  page.numbersOf = (summary) => {
    const [offset, kind, shape] = summary.stored;
    const size = shape.reduce((a, b) => a * b, 1);
    return new KINDS[kind](buffer, start + offset, size);
  };
  return page;
}

// A number as exactly as its type holds it, with as few digits as that takes.
function exact(value, kind) {
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

// HTML elements: texts are texts, never markup.
function h(name, attributes = {}, ...children) {
  return filled(document.createElement(name), attributes, children);
}

const SVG = "http://www.w3.org/2000/svg";
const MATHML = "http://www.w3.org/1998/Math/MathML";

function s(name, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, name), attributes, children);
}

function filled(element, attributes, children) {
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

// A formula: nested lists [name, child, ...], as handgrad.view.formulas makes them.
function math(tree) {
  const built = ([name, ...children]) => {
    const element = document.createElementNS(MATHML, name);
    element.append(...children.map((child) => (typeof child === "string" ? child : built(child))));
    return element;
  };
  const element = document.createElementNS(MATHML, "math");
  element.append(built(tree));
  return element;
}

// A thumbnail: levels from -127 to 127, around zero; -128 is not finite.
function thumbnail([width, height, packed, isImage], colours) {
  const levels = new Int8Array(bytesOf(packed).buffer);
  const canvas = h("canvas", { width, height });
  const context = canvas.getContext("2d");
  const pixels = context.createImageData(width, height);
  const table = isImage ? colours.grey : colours.diverging;
  levels.forEach((level, i) => pixels.data.set([...table[level + 128], 255], 4 * i));
  context.putImageData(pixels, 0, 0);
  return canvas;
}

// How large a thumbnail is drawn, within so many pixels: whole pixels where they fit.
function thumbnailSize([width, height], most) {
  const scale = Math.min(most.width / width, most.height / height);
  const whole = scale >= 2 ? Math.min(Math.floor(scale), 12) : scale;
  return { width: Math.max(width * whole, 9), height: Math.max(height * whole, 9) };
}
