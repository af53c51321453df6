// Loads a WebAssembly module that handgrad exported. It needs nothing else, in browsers and in node.
//
//   const {inputs, outputs, run} = await load(await (await fetch('layer.wasm')).arrayBuffer());
//   inputs.x.set([1, 2, 3]);   // typed arrays in the module's memory, by name, the last axis fastest
//   run();                     // or run({x: [1, 2, 3]})
//   console.log(outputs.out);
//
// layout has the shape and dtype of each. What is written over an input (a step's parameters) stays in the memory
// from one run to the next.

const ARRAYS = {
  float64: Float64Array, float32: Float32Array, int64: BigInt64Array, int32: Int32Array, int16: Int16Array,
  int8: Int8Array, uint64: BigUint64Array, uint32: Uint32Array, uint16: Uint16Array, uint8: Uint8Array, bool: Uint8Array,
};

export async function load(bytes) {
  const module = await WebAssembly.compile(bytes);
  const [section] = WebAssembly.Module.customSections(module, 'handgrad');
  if (!section) throw new Error('this module was not exported by handgrad: it has no section of that name');
  const layout = JSON.parse(new TextDecoder().decode(section));
  const memory = new WebAssembly.Memory({initial: layout.pages});
  const {exports} = await WebAssembly.instantiate(module, {env: {memory}});

  const view = ({dtype, address, shape}) =>
    new ARRAYS[dtype](memory.buffer, address, shape.reduce((size, n) => size * n, 1));
  const views = places => Object.fromEntries(Object.entries(places).map(([name, place]) => [name, view(place)]));
  const inputs = views(layout.inputs), outputs = views(layout.outputs);

  function run(given = {}) {
    for (const [name, values] of Object.entries(given)) {
      const place = inputs[name];
      if (!place) throw new Error(`there is no input ${name}: it takes ${Object.keys(inputs).join(', ')}`);
      if (values.length !== place.length)
        throw new Error(`${name} has ${place.length} numbers (${layout.inputs[name].shape.join(' x ')}), not ${values.length}`);
      place.set(values);
    }
    if (!exports.run()) throw new Error('an index is out of range, or a value that is checked is not finite');
    return outputs;
  }

  return {layout, inputs, outputs, run};
}
