// The model, in a thread of its own, so that the page moves while it computes.
//
// Takes { model, wasm }, the bytes of the ONNX file and of onnxruntime-web's WebAssembly; answers
// { ready }. Then takes { image, source, target }, flat Float32Arrays, and the frame's `size`
// [H, W]; answers { result, milliseconds }. Whatever fails answers { error }.

import * as ort from "./ort/ort.js";

let session = null;

async function start({ model, wasm }) {
  ort.env.wasm.numThreads = 1; // more need headers that few static hosts send
  ort.env.wasm.wasmBinary = wasm;
  session = await ort.InferenceSession.create(new Uint8Array(model), {
    executionProviders: ["wasm"],
  });
  return { ready: true };
}

async function run({ image, source, target, size }) {
  const joints = [1, source.length / 2, 2];
  const given = {
    image: new ort.Tensor("float32", image, [1, 3, ...size]),
    source: new ort.Tensor("float32", source, joints),
    target: new ort.Tensor("float32", target, joints),
  };
  const begin = performance.now();
  const { result } = await session.run(given);
  return { result: result.data, milliseconds: performance.now() - begin };
}

self.addEventListener("message", async ({ data }) => {
  try {
    self.postMessage(await (data.model ? start(data) : run(data)));
  } catch (error) {
    self.postMessage({ error: String(error?.message ?? error) });
  }
});
self.postMessage({ started: true });
