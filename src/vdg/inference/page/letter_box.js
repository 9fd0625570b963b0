// A picture of any size in the model's frame, as vdg.data.fitting does it in Python.

const LARGEST_SIDE = 4096; // pixels; some browsers have no larger canvas
const GREY = "rgb(128 128 128)"; // under transparent pixels
const LOBES = 3; // of the Lanczos kernel
const ONE = 1 << 22; // Pillow computes with weights in fixed point

/** Round to the nearest integer, halves to the even one, as Python does. */
export function round(value) {
  const below = Math.floor(value);
  const rest = value - below;
  return rest > 0.5 || (rest === 0.5 && below % 2 !== 0) ? below + 1 : below;
}

/** The position of a picture in a frame of `size` [H, W]: scaled, then moved by (top, left). */
export function frameOf(height, width, size) {
  const scale = Math.min(size[0] / height, size[1] / width);
  const inner = [round(height * scale), round(width * scale)];
  const [top, left] = inner.map((side, axis) => Math.floor((size[axis] - side) / 2));
  return { scale, top, left, inner: inner.map((side) => Math.max(1, side)) };
}

/** Map joints [[y, x], ...] from the picture's pixels to the frame's; missing joints stay -1. */
export function place(joints, { scale, top, left }) {
  return joints.map(([y, x]) =>
    y < 0 ? [-1, -1] : [Math.floor((y + 0.5) * scale + top), Math.floor((x + 0.5) * scale + left)],
  );
}

/** Decode an image file, upright by its EXIF orientation, without its colour profile. */
export function decode(file) {
  return createImageBitmap(file, { imageOrientation: "from-image", colorSpaceConversion: "none" });
}

/**
 * Fit a decoded picture into `size` [H, W] as a whole; its edge pixels fill the rest.
 *
 * Returns { pixels, frame }: RGBA bytes (H, W, 4) and the picture's position.
 */
export function letterBox(bitmap, size) {
  const frame = frameOf(bitmap.height, bitmap.width, size);
  const inner = resize(opaque(bitmap), frame.inner);
  const [height, width] = size;
  const pixels = new Uint8ClampedArray(height * width * 4).fill(255);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const row = Math.min(Math.max(y - frame.top, 0), inner.height - 1);
      const column = Math.min(Math.max(x - frame.left, 0), inner.width - 1);
      for (let c = 0; c < 3; c++) {
        pixels[(y * width + x) * 4 + c] = inner.data[(row * inner.width + column) * 4 + c];
      }
    }
  }
  return { pixels, frame };
}

/** The pixels of a decoded picture on grey, as ImageData. */
function opaque(bitmap) {
  const shrink = Math.min(1, LARGEST_SIDE / Math.max(bitmap.height, bitmap.width));
  const canvas = document.createElement("canvas");
  canvas.height = Math.max(1, Math.round(bitmap.height * shrink));
  canvas.width = Math.max(1, Math.round(bitmap.width * shrink));
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.fillStyle = GREY;
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  return context.getImageData(0, 0, canvas.width, canvas.height);
}

/** Resize ImageData to [height, width] with Pillow's Lanczos filter: columns first, then rows. */
function resize({ data, height, width }, [newHeight, newWidth]) {
  const across = along(data, { lines: height, line: width * 4, step: 4 }, width, newWidth);
  const down = along(across, { lines: newWidth, line: 4, step: newWidth * 4 }, height, newHeight);
  return { data: down, height: newHeight, width: newWidth };
}

/**
 * Resize one axis of RGBA bytes.
 *
 * lines: number of lines along the axis; line, step: bytes from one line, one pixel, to the next.
 */
function along(data, { lines, line, step }, length, newLength) {
  if (length === newLength) return data;
  const [newLine, newStep] = step === 4 ? [newLength * 4, 4] : [line, step];
  const resized = new Uint8ClampedArray(lines * newLength * 4);
  weights(length, newLength).forEach(({ first, factors }, k) => {
    for (let i = 0; i < lines; i++) {
      for (let c = 0; c < 3; c++) {
        let sum = ONE / 2;
        let at = i * line + first * step + c;
        for (const factor of factors) {
          sum += factor * data[at];
          at += step;
        }
        resized[i * newLine + k * newStep + c] = Math.floor(sum / ONE);
      }
    }
  });
  return resized;
}

/** Of each new pixel: the first old pixel that it sees, and the weights of those from there on. */
function weights(length, newLength) {
  const scale = length / newLength;
  const stretch = Math.max(scale, 1);
  return Array.from({ length: newLength }, (_, k) => {
    const centre = (k + 0.5) * scale;
    const first = Math.max(Math.trunc(centre - LOBES * stretch + 0.5), 0);
    const end = Math.min(Math.trunc(centre + LOBES * stretch + 0.5), length);
    const raw = Array.from({ length: end - first }, (_, i) =>
      lanczos((first + i - centre + 0.5) / stretch),
    );
    const sum = raw.reduce((a, b) => a + b, 0);
    const factors = raw.map((value) => {
      const fixed = (value / sum) * ONE;
      return Math.trunc(fixed + (fixed < 0 ? -0.5 : 0.5));
    });
    return { first, factors };
  });
}

function lanczos(x) {
  if (x < -LOBES || x >= LOBES) return 0;
  const sinc = (t) => (t === 0 ? 1 : Math.sin(Math.PI * t) / (Math.PI * t));
  return sinc(x) * sinc(x / LOBES);
}
