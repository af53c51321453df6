// Numbers for people, as handgrad.view.summary writes them: 100, 0.3132, −1.2×10⁻⁵, 12,346.

const DIGITS = 4;
const WHOLE = 1e6; // up to which whole numbers are written out
const HIGH = { "-": "⁻", 0: "⁰", 1: "¹", 2: "²", 3: "³", 4: "⁴", 5: "⁵", 6: "⁶", 7: "⁷", 8: "⁸", 9: "⁹" };

/** With a minus as long as a plus. @param {string} words */
export const signed = (words) => words.replaceAll("-", "−");

/** @param {number} n */
export const raised = (n) => [...String(n)].map((digit) => HIGH[digit]).join("");

/** The whole part in groups of three digits. @param {string} digits */
function grouped(digits) {
  const [whole, part] = digits.split(".");
  const groups = whole.replace(/\B(?=(\d{3})+(?!\d))/g, ",");
  return part === undefined ? groups : `${groups}.${part}`;
}

/** To so many digits: 0.0312, 12.4, 3,120, 1.23×10⁻⁵. @param {number} value */
export function figure(value, digits = 3) {
  if (!Number.isFinite(value)) return "undefined";
  if (value === 0) return "0";
  const [mantissa, power] = value.toExponential(digits - 1).split("e");
  const exponent = Number(power);
  if (exponent >= -4 && exponent < 6) return signed(grouped(Number(`${mantissa}e${power}`).toFixed(Math.max(digits - 1 - exponent, 0))));
  return `${signed(mantissa)}×10${raised(exponent)}`;
}

/** To at least so many digits, without idle zeros. @param {number} value */
export function short(value, digits = DIGITS) {
  if (Number.isNaN(value)) return "nan";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  const size = Math.abs(value);
  if ((size >= 10 ** digits && size < WHOLE) || (Number.isInteger(value) && size < WHOLE)) return signed(grouped(String(evenly(value))));
  const [head, ...tail] = figure(value, digits).split(/(?=×)/);
  return (head.includes(".") ? head.replace(/0+$/, "").replace(/\.$/, "") : head) + tail.join("");
}

export const WIDEST = "−1×10⁻¹²"; // a number of one digit is hardly wider
const NUMBER = /−?\d[\d,]*(\.\d+)?(×10[⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+)?/g;
const LOW = Object.fromEntries(Object.entries(HIGH).map(([digit, high]) => [high, digit]));

/** What was written of a number, as a number. @param {string} words */
export function valueOf(words) {
  const [mantissa, power = ""] = words.replaceAll("−", "-").replaceAll(",", "").split("×10");
  return Number(`${mantissa}e${[...power].map((digit) => LOW[digit]).join("") || 0}`);
}

/** How a number's cell is coloured, by its share of the largest. @param {number} value @param {number} largest */
export function shaded(value, largest) {
  const share = largest > 0 && Number.isFinite(value) ? Math.round((26 * Math.abs(value)) / largest) : 0;
  return { class: `cell ${value > 0 ? "plus" : "minus"}`, style: `--share:${share}%` };
}

/** The same with fewer digits of each number. @param {string} words @param {number} digits */
export const rougher = (words, digits) => words.replace(NUMBER, (number) => {
  const [mantissa, power] = valueOf(number).toExponential(digits - 1).split("e");
  const brief = [short(valueOf(number), digits), `${signed(mantissa)}×10${raised(Number(power))}`];
  return [number, ...brief].reduce((a, b) => (b.length < a.length ? b : a));
});

/** With room for any number in place of each. @param {string} words */
export const roomy = (words) => (words.endsWith(":") ? words : words.replace(NUMBER, (number) => (number.length < WIDEST.length ? WIDEST : number)));

/** Where an element stands. @param {number} index @param {number[]} shape */
export function placeOf(index, shape) {
  const place = [];
  for (const n of [...shape].reverse()) {
    place.unshift(index % n);
    index = Math.floor(index / n);
  }
  return place;
}

/** Where the first of many begins that has something in it. @param {ArrayLike<any>} numbers @param {number} size of each */
export function firstFilled(numbers, size) {
  let i = 0;
  while (i < numbers.length && Number(numbers[i]) === 0) i++;
  return i < numbers.length ? Math.floor(i / size) * size : 0;
}

/** To the nearest whole number, halves to the even one. @param {number} value */
export function evenly(value) {
  const near = Math.round(value);
  const even = Math.abs(value % 1) === 0.5 && near % 2 !== 0 ? near - 1 : near;
  return even === 0 ? 0 : even;
}
