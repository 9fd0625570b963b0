// Wipe between two columns of a grid of images: every pair is a window on the one picture.
for (const wipe of document.querySelectorAll('.wipe')) {
  const layout = JSON.parse(wipe.dataset.layout);
  const grid = document.getElementById(wipe.dataset.grid);
  const [left, right] = wipe.querySelectorAll('select');
  const range = wipe.querySelector('input');
  for (const select of [left, right])
    layout.columns.forEach((name, i) => select.add(new Option(name, i)));
  left.value = layout.first;
  right.value = layout.last;
  const layer = (column, [x, y]) => {
    const div = document.createElement('div');
    div.style.backgroundImage = `url("${grid.src}")`;
    div.style.backgroundPosition = `${-(x + column * layout.step)}px ${-y}px`;
    return div;
  };
  const pair = (origin) => {
    const element = document.createElement('div');
    element.className = 'pair';
    element.style.width = `${layout.width}px`;
    element.style.height = `${layout.height}px`;
    const over = layer(left.value, origin);
    over.style.clipPath = `inset(0 ${100 - range.value}% 0 0)`;
    element.append(layer(right.value, origin), over);
    return element;
  };
  const fill = () => wipe.querySelector('.pictures').replaceChildren(...layout.origins.map(pair));
  for (const event of ['input', 'change']) wipe.addEventListener(event, fill);
  fill();
}
