// A program in WebAssembly, with its arrays as typed arrays in its memory.

/** @type {Record<string, any>} */
const ARRAYS = {
  f8: Float64Array, f4: Float32Array, i8: BigInt64Array, i4: Int32Array, i2: Int16Array, i1: Int8Array,
  u8: BigUint64Array, u4: Uint32Array, u2: Uint16Array, u1: Uint8Array,
};

export class Module {
  /** @param {any} exports @param {WebAssembly.Memory} memory */
  constructor(exports, memory) {
    this.exports = exports;
    this.memory = memory;
    /** @type {Map<number, any>} */
    this.views = new Map();
  }

  /** @param {BufferSource} bytes @param {number} pages */
  static async of(bytes, pages) {
    const memory = new WebAssembly.Memory({ initial: pages });
    const { instance } = await WebAssembly.instantiate(bytes, { env: { memory } });
    return new Module(instance.exports, memory);
  }

  /** The numbers at a place. @param {[number, string, number]} place */
  at([address, kind, size]) {
    if (!this.views.has(address)) this.views.set(address, new ARRAYS[kind](this.memory.buffer, address, size));
    return this.views.get(address);
  }

  /** Write numbers to a place. @param {any} place @param {ArrayLike<any>} numbers */
  put(place, numbers) {
    const view = this.at(place);
    if (isBig(view) && !isBig(numbers)) for (let i = 0; i < view.length; i++) view[i] = BigInt(Math.trunc(numbers[i]));
    else view.set(numbers);
  }

  /** Whether it ran through: no index was out of range. */
  run() {
    return this.exports.run() === 1;
  }
}

/** @param {any} numbers */
export const isBig = (numbers) => numbers instanceof BigInt64Array || numbers instanceof BigUint64Array;
