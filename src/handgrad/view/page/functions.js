// What the functions of handgrad's programs come to, of numbers.

const TINY = 1e-17;

/** The error function: its series where that is short, else a continued fraction. @param {number} x @returns {number} */
export function erf(x) {
  if (Math.abs(x) > 2.5) return Math.sign(x) * (1 - erfc(Math.abs(x)));
  let [term, sum] = [x, x];
  for (let n = 1; Math.abs(term) > TINY * Math.abs(sum); n++) {
    term *= -(x * x) / n;
    sum += term / (2 * n + 1);
  }
  return (2 / Math.sqrt(Math.PI)) * sum;
}

/** @param {number} x @returns {number} */
export function erfc(x) {
  if (x < 2.5) return 1 - erf(x);
  let below = x;
  for (let n = 60; n > 0; n--) below = x + n / 2 / below;
  return Math.exp(-x * x) / Math.sqrt(Math.PI) / below;
}

const bool = (/** @type {(...xs: number[]) => boolean} */ f) => (/** @type {number[]} */ ...xs) => Number(f(...xs));
const logadd = (/** @type {number} */ a, /** @type {number} */ b) => (a === b ? a + Math.LN2 : Math.max(a, b) + Math.log1p(Math.exp(-Math.abs(a - b))));

/** @type {Record<string, (...xs: number[]) => number>} */
export const FUNCTIONS = {
  "+": (...xs) => xs.reduce((a, b) => a + b), "·": (...xs) => xs.reduce((a, b) => a * b), "/": (a, b) => a / b, "−": (a) => -a,
  max: Math.max, min: Math.min, pow: (a, b) => a ** b, sqrt: Math.sqrt, exp: Math.exp, expm1: Math.expm1, exp2: (a) => 2 ** a,
  log: Math.log, log1p: Math.log1p, log2: Math.log2, log10: Math.log10, abs: Math.abs, sign: Math.sign, floor: Math.floor,
  sin: Math.sin, cos: Math.cos, tan: Math.tan, asin: Math.asin, acos: Math.acos, atan: Math.atan, atan2: Math.atan2,
  sinh: Math.sinh, cosh: Math.cosh, tanh: Math.tanh, asinh: Math.asinh, acosh: Math.acosh, atanh: Math.atanh, hypot: Math.hypot,
  erf, erfc, logaddexp: logadd, logaddexp2: (a, b) => logadd(a * Math.LN2, b * Math.LN2) / Math.LN2,
  floor_divide: (a, b) => Math.floor(a / b), remainder: (a, b) => a - b * Math.floor(a / b),
  where: (c, a, b) => (c ? a : b), isfinite: bool(Number.isFinite), logical_not: bool((a) => !a),
  logical_and: bool((a, b) => Boolean(a && b)), logical_or: bool((a, b) => Boolean(a || b)),
  equal: bool((a, b) => a === b), not_equal: bool((a, b) => a !== b), less: bool((a, b) => a < b), less_equal: bool((a, b) => a <= b),
  greater: bool((a, b) => a > b), greater_equal: bool((a, b) => a >= b),
};
