// The model behind the page: loads it, and draws the newest pose only.

/** Fetch a file of `bytes` bytes; `progress` is called with the number of bytes that came. */
async function fetched(url, progress) {
  const answer = await fetch(url);
  if (!answer.ok) throw new Error(`${url} cannot be loaded (status ${answer.status}).`);
  const chunks = [];
  const reader = answer.body.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    chunks.push(value);
    progress(value.length);
  }
  return new Blob(chunks).arrayBuffer();
}

/**
 * Start a worker that keeps the page's content security policy: one that is loaded from a URL has
 * its own, which a static host may not send; one from a blob has that of its page.
 */
function startWorker() {
  const script = `import ${JSON.stringify(new URL("worker.js", import.meta.url).href)};`;
  const url = URL.createObjectURL(new Blob([script], { type: "text/javascript" }));
  return new Worker(url, { type: "module" });
}

/** RGBA bytes (H, W, 4) -> flat (3, H, W) in [-1, 1]. */
export function toInput(pixels) {
  const count = pixels.length / 4;
  return Float32Array.from({ length: 3 * count }, (_, i) => {
    return pixels[(i % count) * 4 + Math.floor(i / count)] / 127.5 - 1;
  });
}

/** Flat (3, H, W) in [-1, 1] -> RGBA bytes (H, W, 4). */
export function toPixels(result) {
  const count = result.length / 3;
  const pixels = new Uint8ClampedArray(count * 4).fill(255); // rounds to the nearest, and clamps
  for (let i = 0; i < 3 * count; i++) {
    pixels[(i % count) * 4 + Math.floor(i / count)] = (result[i] + 1) * 127.5;
  }
  return pixels;
}

export class Model {
  #worker = startWorker();
  #busy = false;
  #waiting = null;

  /** drawn({ result, milliseconds }) and failed(Error) are called after each `draw`. */
  constructor(size, drawn, failed) {
    this.size = size;
    this.drawn = drawn;
    this.failed = failed;
  }

  /** Whether a drawing is due. */
  get busy() {
    return this.#busy;
  }

  /** The worker's next answer. Throws what it says went wrong. */
  #answer() {
    return new Promise((resolve, reject) => {
      this.#worker.onmessage = ({ data }) => {
        if (data.error) reject(new Error(data.error));
        else resolve(data);
      };
      this.#worker.onerror = (event) => {
        reject(new Error(event.message || "The browser did not start the page’s second thread."));
      };
    });
  }

  /** files: those of page.json, { model, runtime }; progress(fraction) is called as they come. */
  async load(files, progress) {
    const started = this.#answer();
    const total = files.model.bytes + files.runtime.bytes;
    let loaded = 0;
    const count = (bytes) => progress(Math.min((loaded += bytes) / total, 1));
    const [model, wasm] = await Promise.all(
      [files.model, files.runtime].map(({ file }) => fetched(file, count)),
    );
    await started;
    const ready = this.#answer();
    this.#worker.postMessage({ model, wasm }, [model, wasm]);
    await ready;
  }

  /** Draw these inputs, or, if others come before their turn, only those. */
  async draw(image, source, target) {
    this.#waiting = { image, source: flat(source), target: flat(target), size: this.size };
    if (this.#busy) return;
    this.#busy = true;
    try {
      while (this.#waiting) {
        const answer = this.#answer();
        this.#worker.postMessage(this.#waiting);
        this.#waiting = null;
        this.drawn(await answer);
      }
    } catch (error) {
      this.failed(error);
    } finally {
      this.#busy = false;
    }
  }
}

function flat(joints) {
  return Float32Array.from(joints.flat());
}
