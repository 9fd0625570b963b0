// 18 joints to drag on a picture, by pointer, touch or keyboard.

const SVG = "http://www.w3.org/2000/svg";
const REACH = 28; // CSS pixels; how near to a joint a finger must be
const FAR = 5; // pixels of the model; a step with Shift
const ARROWS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
const MISSING = [-1, -1];

function element(name, attributes) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

/**
 * The editor of one skeleton.
 *
 * `joints` are [[y, x], ...] in the model's pixels, [-1, -1] where one is missing; a missing joint
 * is drawn hollow where a `standing` person has it, to be dragged from there. An "input" event tells of
 * each change by the visitor.
 */
export class Skeleton extends EventTarget {
  #active = 0;
  #held = null; // { pointer, joint, from: [y, x] of the pointer, joints: those at its start }

  /** panel: an element with an svg, an output, and buttons with `data-do`. */
  constructor(panel, { size, names, bones, standing }) {
    super();
    this.size = size;
    this.names = names;
    this.bones = bones;
    this.standing = standing;
    this.joints = names.map(() => MISSING);
    this.svg = panel.querySelector("svg");
    this.told = panel.querySelector("output");
    const [height, width] = size;
    this.svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    this.lines = bones.map(([, , colour]) => element("line", { stroke: colour }));
    this.circles = names.map((name, joint) => {
      const circle = element("circle", { "data-joint": joint, r: height / 80 });
      circle.append(element("title", {}));
      circle.firstChild.textContent = name;
      return circle;
    });
    this.svg.append(...this.lines, ...this.circles);
    this.svg.addEventListener("pointerdown", (event) => this.#take(event));
    this.svg.addEventListener("pointermove", (event) => this.#drag(event));
    for (const end of ["pointerup", "pointercancel"]) {
      this.svg.addEventListener(end, (event) => {
        if (event.pointerId === this.#held?.pointer) this.#held = null;
      });
    }
    this.svg.addEventListener("dblclick", (event) => {
      if (this.#nearest(this.#pointer(event)) !== null) this.#put(this.#active, MISSING);
    });
    this.svg.addEventListener("keydown", (event) => this.#key(event));
    panel.querySelector("[data-do=toggle]").addEventListener("click", () => this.#toggle());
    for (const [name, factor] of [["larger", 1.05], ["smaller", 1 / 1.05]]) {
      panel.querySelector(`[data-do=${name}]`).addEventListener("click", () => this.#scale(factor));
    }
    this.#draw();
  }

  /** Show other joints. */
  show(joints) {
    this.joints = joints.map((joint) => [...joint]);
    this.#draw();
  }

  #change(joints) {
    this.joints = joints;
    this.#draw();
    this.dispatchEvent(new Event("input"));
  }

  #put(joint, [y, x]) {
    const at = y < 0 ? MISSING : [this.#inside(y, 0), this.#inside(x, 1)];
    this.#change(this.joints.map((other, i) => (i === joint ? at : other)));
  }

  #inside(value, axis) {
    return Math.min(Math.max(Math.round(value), 0), this.size[axis] - 1);
  }

  #at(joint) {
    return this.joints[joint][0] < 0 ? this.standing[joint] : this.joints[joint];
  }

  /** The position of a pointer in the model's pixels. */
  #pointer(event) {
    const box = this.svg.getBoundingClientRect();
    return [
      ((event.clientY - box.top) / box.height) * this.size[0],
      ((event.clientX - box.left) / box.width) * this.size[1],
    ];
  }

  /** The joint that is nearest to a position, or null far from all of them. */
  #nearest(position) {
    const pixel = this.svg.getBoundingClientRect().height / this.size[0];
    const away = this.names.map((_, joint) => {
      const [y, x] = this.#at(joint);
      return Math.hypot(y + 0.5 - position[0], x + 0.5 - position[1]) * pixel;
    });
    const least = Math.min(...away);
    return least <= REACH ? away.indexOf(least) : null;
  }

  /** Take the nearest joint, or, far from all of them, the whole skeleton. */
  #take(event) {
    if (this.#held || event.button !== 0) return;
    const from = this.#pointer(event);
    const joint = this.#nearest(from);
    this.#held = { pointer: event.pointerId, joint, from, joints: this.joints };
    if (joint !== null) {
      this.#active = joint;
      this.#held.start = this.#at(joint);
      this.#draw();
    }
    this.svg.setPointerCapture(event.pointerId);
    this.svg.focus({ preventScroll: true });
    event.preventDefault();
  }

  #drag(event) {
    if (event.pointerId !== this.#held?.pointer) return;
    const { from, joint, joints, start } = this.#held;
    const moved = this.#pointer(event).map((value, axis) => value - from[axis]);
    if (joint !== null) this.#put(joint, [start[0] + moved[0], start[1] + moved[1]]);
    else this.#move(joints, moved);
  }

  /** Move all joints alike, as far as the picture allows. */
  #move(joints, by) {
    const found = joints.filter(([y]) => y >= 0);
    if (found.length === 0) return;
    const step = by.map((value, axis) => {
      const values = found.map((joint) => joint[axis]);
      const [low, high] = [-Math.min(...values), this.size[axis] - 1 - Math.max(...values)];
      return Math.min(Math.max(Math.round(value), low), high);
    });
    this.#change(joints.map(([y, x]) => (y < 0 ? MISSING : [y + step[0], x + step[1]])));
  }

  /** Scale all joints about their middle. */
  #scale(factor) {
    const found = this.joints.filter(([y]) => y >= 0);
    if (found.length === 0) return;
    const middle = [0, 1].map((axis) => {
      const values = found.map((joint) => joint[axis]);
      return (Math.min(...values) + Math.max(...values)) / 2;
    });
    const scaled = (joint, axis) =>
      this.#inside(middle[axis] + (joint[axis] - middle[axis]) * factor, axis);
    this.#change(this.joints.map((j) => (j[0] < 0 ? MISSING : [scaled(j, 0), scaled(j, 1)])));
  }

  #toggle() {
    const missing = this.joints[this.#active][0] < 0;
    this.#put(this.#active, missing ? this.standing[this.#active] : MISSING);
  }

  #key(event) {
    const count = this.names.length;
    if (event.key in ARROWS) {
      const far = event.shiftKey ? FAR : 1;
      const step = ARROWS[event.key].map((value) => value * far);
      const at = this.#at(this.#active);
      this.#put(this.#active, [Math.max(at[0] + step[0], 0), at[1] + step[1]]);
    } else if (event.key === "PageDown" || event.key === "PageUp") {
      this.#active = (this.#active + (event.key === "PageDown" ? 1 : count - 1)) % count;
      this.#draw();
    } else if (event.key === "Delete" || event.key === "Backspace") {
      this.#put(this.#active, MISSING);
    } else if (event.key === "Enter") {
      if (this.joints[this.#active][0] < 0) this.#toggle();
    } else if (event.key === "+" || event.key === "-") {
      this.#scale(event.key === "+" ? 1.05 : 1 / 1.05);
    } else {
      return;
    }
    event.preventDefault();
  }

  #draw() {
    this.bones.forEach(([a, b], i) => {
      const [from, to] = [this.joints[a], this.joints[b]];
      this.lines[i].toggleAttribute("hidden", from[0] < 0 || to[0] < 0);
      const ends = { y1: from[0], x1: from[1], y2: to[0], x2: to[1] };
      for (const [key, value] of Object.entries(ends)) this.lines[i].setAttribute(key, value + 0.5);
    });
    this.circles.forEach((circle, joint) => {
      const [y, x] = this.#at(joint);
      circle.setAttribute("cy", y + 0.5);
      circle.setAttribute("cx", x + 0.5);
      circle.classList.toggle("missing", this.joints[joint][0] < 0);
      circle.classList.toggle("active", joint === this.#active);
    });
    const [y, x] = this.joints[this.#active];
    const where = y < 0 ? "missing" : `row ${y}, column ${x}`;
    this.told.value = `${this.names[this.#active]}: ${where}`;
  }
}
