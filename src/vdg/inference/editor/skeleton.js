let held = null;
const put = (joint, at) => {
  const joints = props.value.joints.map((other) => [...other]);
  joints[joint] = at;
  props.value = { ...props.value, joints };
  trigger('input');
};
const place = (event) => {
  const svg = element.querySelector('svg');
  const at = new DOMPoint(event.clientX, event.clientY)
    .matrixTransform(svg.getScreenCTM().inverse());
  const [height, width] = props.value.size;
  const inside = (value, size) => Math.min(Math.max(Math.floor(value), 0), size - 1);
  put(held, [inside(at.y, height), inside(at.x, width)]);
};
element.addEventListener('pointerdown', (event) => {
  if (event.target.dataset.joint === undefined) return;
  held = Number(event.target.dataset.joint);
  element.setPointerCapture(event.pointerId);  // the circle itself is drawn anew as it moves
  event.preventDefault();
});
element.addEventListener('pointermove', (event) => { if (held !== null) place(event); });
element.addEventListener('pointerup', () => { held = null; });
element.addEventListener('pointercancel', () => { held = null; });
element.addEventListener('dblclick', (event) => {
  const [circle] = document.elementsFromPoint(event.clientX, event.clientY)
    .filter((found) => found.dataset.joint !== undefined && element.contains(found));
  if (circle) put(Number(circle.dataset.joint), [-1, -1]);
});
