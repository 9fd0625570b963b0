// The page: pick a person, drag the joints, see the result.

import { decode, letterBox, place } from "./letter_box.js";
import { parseKeypoints, requireInside } from "./keypoints.js";
import { Model, toInput, toPixels } from "./model.js";
import { Skeleton } from "./skeleton.js";

const DRAWN_HEIGHT = 512; // pixels of the canvas under the source's joints
const get = (id) => document.getElementById(id);

const facts = await (await fetch("page.json")).json();
const [height, width] = facts.size;
const directions = 360 / facts.poses[Object.keys(facts.poses)[0]].length; // degrees between them

/** What is on the page now; for tests, too. */
export const state = {
  picture: null, // { bitmap, name, pixels, frame, input }
  result: null, // flat Float32Array (3, H, W) in [-1, 1]
  milliseconds: null,
  drawn: 0, // number of results so far
};

const settings = {
  size: facts.size,
  names: facts.joints,
  bones: facts.bones,
  standing: facts.poses.stand[0],
};
export const source = new Skeleton(get("source"), settings);
export const target = new Skeleton(get("target"), settings);
export const model = new Model(facts.size, showResult, (error) => {
  say(`The model failed: ${error.message}`);
});

// ---- messages

function say(problem) {
  get("problem").textContent = problem;
  get("result").classList.toggle("stale", problem !== "" && state.result !== null);
}

/** Run an action; what it throws is said on the page, and nothing else changes. */
async function attempt(action) {
  try {
    await action();
  } catch (error) {
    say(error.message);
  }
}

// ---- drawing

function draw() {
  const lacking = facts.torso.filter((joint) => source.joints[joint][0] < 0);
  if (lacking.length > 0) {
    const names = lacking.map((joint) => facts.joints[joint]).join(", ");
    say(`The picture needs both shoulders and both hips. Missing: ${names}. Drag the hollow dots.`);
  } else if (facts.torso.every((joint) => target.joints[joint][0] < 0)) {
    say("The pose has no shoulder and no hip. Drag a hollow dot, or choose a pose.");
  } else {
    say("");
    model.draw(state.picture.input, source.joints, target.joints);
  }
}

function showResult({ result, milliseconds }) {
  Object.assign(state, { result, milliseconds, drawn: state.drawn + 1 });
  const pixels = new ImageData(toPixels(result), width, height);
  get("result").querySelector("canvas").getContext("2d").putImageData(pixels, 0, 0);
  get("time").textContent = `${Math.round(milliseconds)} ms on this device`;
  get("save").disabled = false;
}

// ---- the picture

/** Show a decoded picture and joints in the model's frame. */
function showPicture(bitmap, name, joints) {
  const { pixels, frame } = letterBox(bitmap, facts.size);
  state.picture = { bitmap, name, pixels, frame, input: toInput(pixels) };
  const canvas = get("source").querySelector("canvas");
  const scale = canvas.height / height;
  const context = canvas.getContext("2d");
  const small = new OffscreenCanvas(width, height);
  small.getContext("2d").putImageData(new ImageData(pixels, width, height), 0, 0);
  context.drawImage(small, 0, 0, canvas.width, canvas.height);
  // sharper than what the model sees, so that joints can be placed; the edges are the model's
  const [inner, across] = frame.inner.map((side) => side * scale);
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, frame.left * scale, frame.top * scale, across, inner);
  source.show(joints);
  draw();
}

async function showPerson(person) {
  const answer = await fetch(person.picture);
  if (!answer.ok) throw new Error(`${person.picture} cannot be loaded.`);
  showPicture(await decode(await answer.blob()), person.picture, person.joints);
  for (const button of get("people").children) {
    button.setAttribute("aria-pressed", button.value === person.picture);
  }
  hideRows("source-rows");
}

async function showFile(file) {
  let bitmap;
  try {
    bitmap = await decode(file);
  } catch {
    throw new Error(`${file.name} is no picture that this browser can read. Try a JPEG or a PNG.`);
  }
  for (const button of get("people").children) button.setAttribute("aria-pressed", false);
  showPicture(bitmap, file.name, facts.poses.stand[0]);
  hideRows("source-rows");
}

// ---- poses and files of key points

/** Show the chosen pose in the chosen direction. */
function showPose() {
  const azimuth = get("azimuth").valueAsNumber;
  get("degrees").value = `${azimuth}°`;
  target.show(facts.poses[get("pose").value][azimuth / directions]);
  hideRows("target-rows");
}

function hideRows(id) {
  get(id).parentElement.hidden = true;
}

/** Read a file of key points; with several rows, a list to choose from appears. show(joints). */
async function readJoints(file, rows, preferred, show) {
  const found = parseKeypoints(await file.text(), file.name);
  const list = get(rows);
  list.replaceChildren(...found.map(({ name }, index) => new Option(name, index)));
  const first = Math.max(found.findIndex(({ name }) => name === preferred), 0);
  list.value = first;
  list.onchange = () => attempt(() => show(found[list.value].joints));
  list.parentElement.hidden = found.length === 1;
  show(found[first].joints);
}

function showSourceJoints(joints, name) {
  const { bitmap, frame } = state.picture;
  requireInside(joints, [bitmap.height, bitmap.width], name, "the picture");
  source.show(place(joints, frame));
  draw();
}

function showTargetJoints(joints, name) {
  requireInside(joints, facts.size, name, "the model’s frame");
  target.show(joints);
  draw();
}

// ---- start

function fill() {
  document.documentElement.style.setProperty("--ratio", width / height);
  const canvas = get("source").querySelector("canvas");
  const scale = Math.max(1, Math.round(DRAWN_HEIGHT / height));
  [canvas.height, canvas.width] = [height * scale, width * scale];
  const result = get("result").querySelector("canvas");
  [result.height, result.width] = [height, width];
  get("people").append(
    ...facts.people.map((person, index) => {
      const button = document.createElement("button");
      button.type = "button";
      button.value = person.picture;
      const image = new Image(width, height);
      image.src = person.picture;
      image.alt = `rendered person ${index + 1}`;
      button.append(image);
      button.addEventListener("click", () => attempt(() => showPerson(person)));
      return button;
    }),
  );
  get("pose").append(...Object.keys(facts.poses).map((name) => new Option(name.replaceAll("-", " "), name)));
  get("pose").value = "walk";
  get("azimuth").step = directions;
  get("azimuth").max = 360 - directions;
  for (const [id, text] of Object.entries(facts.about)) get(id).textContent = text;
  get(`about-${facts.card}`).hidden = false;
}

/** Call action(file) for a file that the visitor chooses; the same one may be chosen again. */
function onFile(id, action) {
  get(id).addEventListener("change", async ({ target: input }) => {
    const [file] = input.files;
    if (file) await attempt(() => action(file));
    input.value = "";
  });
}

function listen() {
  source.addEventListener("input", draw);
  target.addEventListener("input", draw);
  for (const [id, event] of [["pose", "change"], ["azimuth", "input"]]) {
    get(id).addEventListener(event, () => {
      showPose();
      draw();
    });
  }
  onFile("picture-file", showFile);
  onFile("source-file", (file) =>
    readJoints(file, "source-rows", state.picture.name, (joints) =>
      showSourceJoints(joints, file.name),
    ),
  );
  onFile("target-file", (file) =>
    readJoints(file, "target-rows", null, (joints) => showTargetJoints(joints, file.name)),
  );
  get("save").addEventListener("click", () => {
    get("result").querySelector("canvas").toBlob((blob) => {
      const link = document.createElement("a");
      link.href = URL.createObjectURL(blob);
      link.download = "generated.png";
      link.click();
      URL.revokeObjectURL(link.href);
    });
  });
}

fill();
try {
  await model.load(facts.files, (fraction) => {
    get("status").textContent = `Loading the model: ${Math.round(100 * fraction)} %`;
  });
} catch (error) {
  throw new Error(`the model cannot be loaded: ${error.message}`);
}
get("status").textContent = "";
document.body.classList.remove("loading");
listen();
showPose();
await attempt(() => showPerson(facts.people[0]));
