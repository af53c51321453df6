// Runs modules of the engine: of each order in a file (JSON) the module, on its inputs; the number of steps that it
// made and its outputs go to a file. An input that is longer than the layout says is one part for each step. See
// wasm.py.
import fs from 'fs';

for (const {module, layout, sizes, inputs, outputs, steps} of JSON.parse(fs.readFileSync(process.argv[2]))) {
  const code = await WebAssembly.compile(fs.readFileSync(module));
  const asked = WebAssembly.Module.imports(code).map(x => `${x.module}.${x.name}`).join();
  if (asked !== 'env.memory') throw new Error(`${module} imports ${asked}`);
  let end = layout.pages * 65536;
  const pages = layout.pages + Math.ceil(sizes.reduce((a, b) => a + b, 0) / 65536);
  const memory = new WebAssembly.Memory({initial: pages, maximum: pages});
  const {exports} = await WebAssembly.instantiate(code, {env: {memory}});
  const given = fs.readFileSync(inputs), view = new DataView(memory.buffer);
  let start = 0;
  layout.inputs.forEach(({address, nbytes}, i) => {
    if (sizes[i] > nbytes) {
      view.setUint32(layout.table + 4 * i, address = end, true);
      view.setBigInt64(layout.strides + 8 * i, BigInt(nbytes), true);
      end += sizes[i];
    }
    new Uint8Array(memory.buffer, address).set(given.subarray(start, start += sizes[i]));
  });
  const made = Buffer.from(Int32Array.of(exports.run(steps)).buffer);
  const results = layout.outputs.map(({address, nbytes}) => new Uint8Array(memory.buffer, address, nbytes));
  fs.writeFileSync(outputs, Buffer.concat([made, ...results]));
}
