// The JavaScript runtimes of bench/runtimes.py: node runtimes.mjs FOLDER PACKAGE
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const [folder, name] = process.argv.slice(2);
const require = createRequire(import.meta.url);
const ort = require(name);
const { version } = JSON.parse(readFileSync(`${folder}/node_modules/${name}/package.json`));
const numbers = (file) => new Float32Array(new Uint8Array(readFileSync(`${folder}/${file}.bin`)).buffer);
if (ort.env.wasm) ort.env.wasm.numThreads = 1;
const session = await ort.InferenceSession.create(
  new Uint8Array(readFileSync(`${folder}/vdg.onnx`)),
  { intraOpNumThreads: 1, executionProviders: [name === 'onnxruntime-web' ? 'wasm' : 'cpu'] },
);
const given = {};
for (const [key, shape] of Object.entries(JSON.parse(readFileSync(`${folder}/shapes.json`)))) {
  given[key] = new ort.Tensor('float32', numbers(key), shape);
}
let { result } = await session.run(given);
const wanted = numbers('result');
const away = Math.max(...result.data.map((value, i) => Math.abs(value - wanted[i])));
const spent = [];
for (let i = 0; i < 5; i++) {
  const start = process.cpuUsage();
  await session.run(given);
  const { user, system } = process.cpuUsage(start);
  spent.push((user + system) / 1e6);
}
console.log(JSON.stringify({ name: `${name} ${version}`, away, time: Math.min(...spent) }));
process.exit(0);
