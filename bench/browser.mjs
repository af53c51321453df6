// Steps of one training by a module of handgrad's and by TensorFlow.js, of the same data from the same weights.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const told = JSON.parse(process.argv[2]);
const bytes = (name) => { const b = readFileSync(`${told.folder}/${name}`); return b.buffer.slice(b.byteOffset, b.byteOffset + b.byteLength); };
const [x, t, weights] = [new Float32Array(bytes("x.bin")), new Int32Array(bytes("t.bin")), new Float32Array(bytes("weights.bin"))];
const { batch, rows, widths, classes, rate } = told;
const [D, batches] = [widths[0], rows / batch];
const shapes = widths.slice(1).flatMap((M, i) => [[widths[i], M], [M]]);
const parts = shapes.map((shape) => shape.reduce((a, b) => a * b, 1)).map((size, i, sizes) => {
  const from = sizes.slice(0, i).reduce((a, b) => a + b, 0);
  return weights.slice(from, from + size);
});

async function handgrad() {
  const memory = new WebAssembly.Memory({ initial: told.pages });
  const { instance } = await WebAssembly.instantiate(bytes("step.wasm"), { env: { memory } });
  const KINDS = { f4: Float32Array, f8: Float64Array, i8: BigInt64Array, i4: Int32Array };
  const at = ([address, kind, size]) => new KINDS[kind](memory.buffer, address, size);
  parts.forEach((part, i) => at(told.inputs[i]).set(part));
  const [xs, ts, lr, number] = told.inputs.slice(told.carried).map(at);
  const loss = at(told.outputs[told.carried]);
  lr[0] = rate;
  let step = 0;
  return {
    step() {
      const from = (step++ % batches) * batch;
      xs.set(x.subarray(from * D, (from + batch) * D));
      for (let i = 0; i < batch; i++) ts[i] = BigInt(t[from + i]);
      number[0] = step;
      instance.exports.run();
    },
    loss: () => loss[0],
  };
}

async function tensorflow(backend) {
  const require = createRequire(`${told.packages}/package.json`);
  const tf = require("@tensorflow/tfjs");
  const wasm = require("@tensorflow/tfjs-backend-wasm");
  wasm.setWasmPaths(`${told.packages}/node_modules/@tensorflow/tfjs-backend-wasm/dist/`);
  await tf.setBackend(backend);
  await tf.ready();
  if (tf.getBackend() !== backend) throw new Error(`there is no backend ${backend}`);
  const variables = parts.map((part, i) => tf.variable(tf.tensor(part, shapes[i])));
  const optimiser = tf.train.sgd(rate);
  const oneHot = new Float32Array(rows * classes);
  t.forEach((k, i) => (oneHot[i * classes + k] = 1));
  const network = (input) => {
    for (let i = 0; i < variables.length; i += 2) {
      input = tf.add(tf.matMul(input, variables[i]), variables[i + 1]);
      if (i + 2 < variables.length) input = tf.relu(input);
    }
    return input;
  };
  let step = 0;
  let last = null;
  return {
    step() {
      const from = (step++ % batches) * batch;
      tf.setBackend(backend);
      last?.dispose();
      last = tf.tidy(() => {
        const xs = tf.tensor2d(x.subarray(from * D, (from + batch) * D), [batch, D]);
        const ts = tf.tensor2d(oneHot.subarray(from * classes, (from + batch) * classes), [batch, classes]);
        return optimiser.minimize(() => tf.losses.softmaxCrossEntropy(ts, network(xs)), true, variables);
      });
    },
    loss: () => last.dataSync()[0],
  };
}

const makers = { handgrad, "tfjs wasm": () => tensorflow("wasm"), "tfjs cpu": () => tensorflow("cpu") };
console.info = console.warn = () => {};
const found = {};
for (const [name, make] of Object.entries(makers)) {
  const contestant = await make();
  for (let i = 0; i < 60; i++) contestant.step();
  const loss = contestant.loss();
  const seconds = [];
  for (let round = 0; round < told.rounds; round++) {
    let steps = 0;
    const began = process.cpuUsage();
    const spent = () => { const { user, system } = process.cpuUsage(began); return (user + system) / 1e6; };
    while (spent() < 0.5) for (let i = 0; i < 10; i++, steps++) contestant.step();
    seconds.push(spent() / steps);
  }
  found[name] = { seconds: seconds.sort((a, b) => a - b)[Math.floor(seconds.length / 2)], loss };
}
console.log(JSON.stringify(found));
