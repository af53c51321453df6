// Runs modules of the engine: of each order in a file (JSON) the module, on its inputs; whether nothing was flagged
// and its outputs go to a file. See wasm.py.
import fs from 'fs';

for (const {module, layout, inputs, outputs} of JSON.parse(fs.readFileSync(process.argv[2]))) {
  const code = await WebAssembly.compile(fs.readFileSync(module));
  const asked = WebAssembly.Module.imports(code).map(x => `${x.module}.${x.name}`).join();
  if (asked !== 'env.memory') throw new Error(`${module} imports ${asked}`);
  const memory = new WebAssembly.Memory({initial: layout.pages, maximum: layout.pages});
  const {exports} = await WebAssembly.instantiate(code, {env: {memory}});
  const given = fs.readFileSync(inputs);
  let start = 0;
  for (const {address, nbytes} of layout.inputs)
    new Uint8Array(memory.buffer, address).set(given.subarray(start, start += nbytes));
  const made = Buffer.from(Int32Array.of(exports.run()).buffer);
  const results = layout.outputs.map(({address, nbytes}) => new Uint8Array(memory.buffer, address, nbytes));
  fs.writeFileSync(outputs, Buffer.concat([made, ...results]));
}
