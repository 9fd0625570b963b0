// Files of key points: the CSV of the field, and OpenPose's JSON with 18 joints.
//
// Joints are [y, x] in pixels, [-1, -1] where one is missing, in OpenPose's COCO order.

const HEADER = "name:keypoints_y:keypoints_x";
const JOINTS = 18;
const LARGEST = 32767; // of a coordinate; the project stores them in 16 bits
const CONFIDENCE = 0.1; // least of a joint; OpenPose draws no joint below it

/**
 * Read a file of key points. Returns [{ name, joints }, ...]: the rows of a CSV by image name, or
 * the people of a JSON file. Throws an Error that says what is wrong and where.
 */
export function parseKeypoints(text, file) {
  const found = text.trimStart().startsWith("{") ? openPose(text, file) : csv(text, file);
  if (found.length === 0) throw new Error(`${file} holds nobody’s joints.`);
  return found;
}

function csv(text, file) {
  const [header, ...lines] = text.replace(/^\uFEFF/, "").replace(/\n$/, "").split("\n");
  if (header !== HEADER) {
    throw new Error(
      `${file} is no file of key points: it begins with neither “${HEADER}” (CSV) nor “{” (OpenPose).`,
    );
  }
  return lines.map((line, index) => {
    const where = `${file}, line ${index + 2}`;
    const [name, ys, xs] = splitTwice(line);
    if (!name || !xs) throw new Error(`${where}: expected ${HEADER}.`);
    const [y, x] = [coordinates(ys, where), coordinates(xs, where)];
    const joints = y.map((row, joint) => [row, x[joint]]);
    const odd = joints.findIndex(([row, column]) => row < 0 !== column < 0);
    if (odd >= 0) throw new Error(`${where}: joint ${odd} is missing in y or in x alone.`);
    return { name, joints };
  });
}

/** "a:b:c:d" -> ["a", "b", "c:d"]. */
function splitTwice(line) {
  const [first, second, ...rest] = line.split(":");
  return [first, second, rest.join(":")];
}

function coordinates(text, where) {
  let values = null;
  try {
    values = JSON.parse(text);
  } catch {
    // said below
  }
  const right =
    Array.isArray(values) &&
    values.length === JOINTS &&
    values.every((value) => Number.isInteger(value) && value >= -1 && value <= LARGEST);
  if (!right) throw new Error(`${where}: expected ${JOINTS} pixels, or -1 for a missing joint.`);
  return values;
}

function openPose(text, file) {
  let people;
  try {
    people = JSON.parse(text).people;
  } catch (error) {
    throw new Error(`${file} is not valid JSON: ${error.message}`);
  }
  if (!Array.isArray(people)) throw new Error(`${file} is not OpenPose’s JSON: it has no “people”.`);
  return people.map((person, index) => {
    const flat = person?.pose_keypoints_2d;
    if (!Array.isArray(flat) || !flat.every(Number.isFinite) || flat.length !== 3 * JOINTS) {
      throw new Error(
        `${file}: person ${index} has no ${JOINTS} joints; run OpenPose with --model_pose COCO.`,
      );
    }
    const joints = Array.from({ length: JOINTS }, (_, joint) => {
      const [x, y, confidence] = flat.slice(3 * joint, 3 * joint + 3);
      if (!(confidence >= CONFIDENCE)) return [-1, -1];
      const at = [Math.floor(y), Math.floor(x)];
      if (at.some((value) => value < 0 || value > LARGEST)) {
        throw new Error(`${file}: joint ${joint} of person ${index} is at x ${x}, y ${y}.`);
      }
      return at;
    });
    return { name: `person ${index}`, joints };
  });
}

/** Throw an Error if joints lie outside of `size` [H, W]; `what` is the picture of that size. */
export function requireInside(joints, [height, width], file, what) {
  if (joints.some(([y, x]) => y >= height || x >= width)) {
    throw new Error(
      `${file} has joints outside of ${what}, which is ${width} pixels wide and ${height} high. ` +
        "They are of a picture of another size.",
    );
  }
}
