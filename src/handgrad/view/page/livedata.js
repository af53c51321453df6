// The examples of a training, and the order in which an epoch meets them: NumPy's own permutations.

const MASK32 = 0xffffffffn;
const MASK64 = (1n << 64n) - 1n;
const MASK128 = (1n << 128n) - 1n;
const MULTIPLIER = (2549297995355413924n << 64n) + 4865540595714422341n;

/** @param {number} value @param {number} by */
const times = (value, by) => Math.imul(value, by) >>> 0;

/** Words of 32 bits from a seed and a spawn key, as NumPy's SeedSequence makes them (O'Neill 2015). @param {number} seed @param {number} key */
function words(seed, key, count = 8) {
  const entropy = [seed >>> 0, ...(seed > 0xffffffff ? [Math.floor(seed / 2 ** 32)] : [])];
  while (entropy.length < 4) entropy.push(0);
  entropy.push(key);
  let constant = 0x43b0d7e5;
  const hashed = (/** @type {number} */ value) => {
    value = (value ^ constant) >>> 0;
    constant = times(constant, 0x931e8875);
    value = times(value, constant);
    return (value ^ (value >>> 16)) >>> 0;
  };
  const mixed = (/** @type {number} */ x, /** @type {number} */ y) => {
    const result = (times(0xca01f9dd, x) - times(0x4973f715, y)) >>> 0;
    return (result ^ (result >>> 16)) >>> 0;
  };
  const pool = entropy.slice(0, 4).map(hashed);
  for (let from = 0; from < 4; from++)
    for (let to = 0; to < 4; to++) if (from !== to) pool[to] = mixed(pool[to], hashed(pool[from]));
  for (const word of entropy.slice(4)) for (let to = 0; to < 4; to++) pool[to] = mixed(pool[to], hashed(word));
  let other = 0x8b51f9dd;
  return Array.from({ length: count }, (_, i) => {
    let value = (pool[i % 4] ^ other) >>> 0;
    other = times(other, 0x58f38ded);
    value = times(value, other);
    return (value ^ (value >>> 16)) >>> 0;
  });
}

/** PCG64 (O'Neill 2014) as NumPy seeds it. */
export class Random {
  /** @param {number} seed @param {number} key */
  constructor(seed, key) {
    const parts = words(seed, key);
    const long = (/** @type {number} */ i) => BigInt(parts[2 * i]) | (BigInt(parts[2 * i + 1]) << 32n);
    this.increment = (((long(2) << 64n) | long(3)) << 1n | 1n) & MASK128;
    this.state = 0n;
    this.turn();
    this.state = (this.state + ((long(0) << 64n) | long(1))) & MASK128;
    this.turn();
    /** @type {number | null} */
    this.left = null;
    /** @type {number | null} */
    this.other = null;
  }

  turn() {
    this.state = (this.state * MULTIPLIER + this.increment) & MASK128;
  }

  long() {
    this.turn();
    const value = ((this.state >> 64n) ^ this.state) & MASK64;
    const by = this.state >> 122n;
    return ((value >> by) | (value << (64n - by))) & MASK64;
  }

  /** A word of 32 bits: each long one gives two. */
  word() {
    if (this.left !== null) {
      const kept = this.left;
      this.left = null;
      return kept;
    }
    const value = this.long();
    this.left = Number(value >> 32n);
    return Number(value & MASK32);
  }

  /** A whole number from 0 to a bound, both among them: of as many bits as that has, until one is not beyond it. @param {number} most */
  upTo(most) {
    if (most === 0) return 0;
    const mask = 2 ** (32 - Math.clz32(most)) - 1;
    let value = (this.word() & mask) >>> 0;
    while (value > most) value = (this.word() & mask) >>> 0;
    return value;
  }

  /** Evenly between 0 and 1. */
  share() {
    return Number(this.long() >> 11n) / 2 ** 53;
  }

  /** Normal, by Box and Muller. */
  normal() {
    if (this.other !== null) {
      const kept = this.other;
      this.other = null;
      return kept;
    }
    const [radius, angle] = [Math.sqrt(-2 * Math.log(1 - this.share())), 2 * Math.PI * this.share()];
    this.other = radius * Math.sin(angle);
    return radius * Math.cos(angle);
  }
}

/** The order of an epoch: handgrad.data.permutation. @param {number} n @param {number} seed @param {number} epoch */
export function permutation(n, seed, epoch) {
  const random = new Random(seed, epoch);
  const order = Int32Array.from({ length: n }, (_, i) => i);
  for (let i = n - 1; i > 0; i--) {
    const j = random.upTo(i);
    [order[i], order[j]] = [order[j], order[i]];
  }
  return order;
}

/** Examples as they are in the page: whole parts of one as bytes, or numbers. */
export class Examples {
  /** @param {any} page @param {any} kept */
  constructor(page, [offset, kind, shape, parts]) {
    this.values = page.numbersOf({ stored: [offset, kind, shape] });
    this.count = shape[0];
    this.size = shape.slice(1).reduce((/** @type {number} */ a, /** @type {number} */ b) => a * b, 1);
    this.parts = kind === "u1" && parts > 1 ? Float64Array.from({ length: 256 }, (_, i) => i / parts) : null;
  }

  /** Write the rows of a mini-batch. @param {any} view @param {ArrayLike<number>} order @param {number} from @param {number} count */
  fill(view, order, from, count) {
    const { values, size, parts } = this;
    const isBig = view instanceof BigInt64Array;
    for (let row = 0; row < count; row++) {
      const start = order[from + row] * size;
      if (!parts && !isBig) view.set(values.subarray(start, start + size), row * size);
      else for (let i = 0; i < size; i++) view[row * size + i] = isBig ? BigInt(values[start + i]) : parts[values[start + i]];
    }
  }
}
