// What Python has built in, for what is translated from it. Lists are arrays, dicts are Maps.

/** @param {any} x what can be gone through: of a Map its keys, as in Python. @returns {any[]} */
export const py_each = (x) => (Array.isArray(x) ? x : x instanceof Map ? [...x.keys()] : [...x]);

/** @param {any} x @param {any} key */
export const py_at = (x, key) => (x instanceof Map ? x.get(key) : key < 0 ? x[x.length + key] : x[key]);

/** @param {any} x @param {any} key @param {any} value */
export function py_put(x, key, value) {
  if (x instanceof Map) x.set(key, value);
  else x[key < 0 ? x.length + key : key] = value;
}

/** @param {any} x @param {any} key @returns {boolean} */
export const py_has = (x, key) => (Array.isArray(x) || typeof x === "string" ? x.includes(key) : x.has(key));

/** @param {any} x @returns {number} */
export const py_len = (x) => x.length ?? x.size;

// Numbers, and lists of numbers from their first on.
/** @param {any} a @param {any} b @returns {number} */
function compared(a, b) {
  if (!Array.isArray(a)) return a - b;
  return a.map((x, i) => x - b[i]).find((difference) => difference !== 0) ?? 0;
}

const itself = (/** @type {any} */ x) => x;

/** @param {any} x @param {{key?: (x: any) => any}} [options] */
export const py_sorted = (x, { key = itself } = {}) => [...py_each(x)].sort((a, b) => compared(key(a), key(b)));
/** @param {any[]} x @param {{key?: (x: any) => any}} [options] */
export const py_sort = (x, { key = itself } = {}) => x.sort((a, b) => compared(key(a), key(b)));

/** @param {any[]} given @param {(a: number, b: number) => number} better @returns {number} */
function best(given, better) {
  const options = given.at(-1)?.default === undefined ? null : given.pop();
  const numbers = Array.isArray(given[0]) ? given[0] : given;
  return numbers.length ? numbers.reduce((a, b) => better(a, b)) : options.default;
}

/** @param {any[]} given */
export const py_max = (...given) => best(given, Math.max);
/** @param {any[]} given */
export const py_min = (...given) => best(given, Math.min);
export const py_abs = Math.abs;
export const py_sqrt = Math.sqrt;
/** @param {string} character */
export const py_ord = (character) => character.codePointAt(0);
/** @param {string} words */
export const py_isupper = (words) => words !== words.toLowerCase();
export const py_round = Math.round;
/** @param {number[]} x */
export const py_sum = (x) => x.reduce((a, b) => a + b, 0);
/** @param {boolean[]} x */
export const py_all = (x) => x.every(itself);
/** @param {boolean[]} x */
export const py_any = (x) => x.some(itself);
/** @param {any} [x] */
export const py_set = (x = []) => new Set(py_each(x));
/** @param {any} x */
export const py_list = (x) => [...py_each(x)];
/** @param {any} x */
export const py_reversed = (x) => [...py_each(x)].reverse();
/** @param {any} x */
export const py_enumerate = (x) => py_each(x).map((each, i) => [i, each]);
/** @param {any[]} xs */
export const py_zip = (...xs) => py_each(xs[0]).map((_, i) => xs.map((x) => x[i]));
/** @param {any[]} x */
export const py_pairwise = (x) => x.slice(1).map((each, i) => [x[i], each]);

/** @param {number} start @param {number} [stop] @param {number} [step] */
export function py_range(start, stop, step = 1) {
  const [from, to] = stop === undefined ? [0, start] : [start, stop];
  return Array.from({ length: Math.max(Math.ceil((to - from) / step), 0) }, (_, i) => from + i * step);
}

/** @param {number[]} x @param {number} value */
export function py_bisect_right(x, value) {
  let [low, high] = [0, x.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (value < x[middle]) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** @param {number[]} x @param {number} value */
export const py_insort = (x, value) => x.splice(py_bisect_right(x, value), 0, value);
/** @param {any[]} x @param {any} value */
export const py_append = (x, value) => x.push(value);
/** @param {any[]} x @param {any[]} values */
export const py_extend = (x, values) => x.push(...values);
/** @param {any[]} x @param {number} [i] */
export const py_pop = (x, i = -1) => x.splice(i, 1)[0];
/** @param {any[]} x */
export const py_reverse = (x) => x.reverse();
/** @param {any[]} x @param {any} value */
export const py_index = (x, value) => x.indexOf(value);
/** @param {Set<any>} x @param {any} value */
export const py_add = (x, value) => x.add(value);
/** @param {Map<any, any>} x @param {any} key @param {any} other */
export const py_get = (x, key, other) => (x.has(key) ? x.get(key) : other);
/** @param {Map<any, any>} x */
export const py_items = (x) => [...x.entries()];
/** @param {Map<any, any>} x */
export const py_values = (x) => [...x.values()];

/** @param {Map<any, any>} x @param {any} key @param {any} value */
export function py_setdefault(x, key, value) {
  if (!x.has(key)) x.set(key, value);
  return x.get(key);
}

/** To a hundredth of a pixel, without idle zeros; halves, which are odd eighths, to even. @param {number} x */
export const py_number = (x) =>
  String((Math.abs(x * 8) % 2 === 1 ? Math.round(x * 50) / 50 : Number(x.toFixed(2))) + 0);
