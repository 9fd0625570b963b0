"""The report as one web page that needs nothing else, with a slider between the variants."""

import base64
import json
import re
from pathlib import Path

from markdown_it import MarkdownIt

from vdg.drawing import GAP

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>VDG: results</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 72rem; margin: auto; padding: 1rem;
  color: #222; background: #fff; }}
table {{ border-collapse: collapse; display: block; overflow-x: auto; margin: 1rem 0; }}
th, td {{ padding: .25rem .6rem; border-bottom: 1px solid #ddd; text-align: right;
  white-space: nowrap; font-variant-numeric: tabular-nums; }}
th {{ white-space: normal; vertical-align: bottom; }}
th:first-child, td:first-child, th:nth-child(2):last-child, td:nth-child(2):last-child {{
  text-align: left; }}
blockquote {{ border-left: 4px solid #e0a030; background: #fff8e8; margin: 1rem 0;
  padding: .1rem 1rem; }}
img {{ max-width: 100%; }}
.wipe {{ border: 1px solid #ccc; border-radius: .5rem; padding: 1rem; margin: 1rem 0; }}
.wipe input {{ width: 100%; }}
.pictures {{ display: flex; flex-wrap: wrap; gap: .5rem; zoom: 1.6; }}
.pair {{ position: relative; overflow: hidden; }}
.pair div {{ position: absolute; inset: 0; background-repeat: no-repeat; }}
</style>
</head>
<body>
{body}
<script>
// Wipe between two columns of a grid of pictures: every picture is a window on the one image.
const layout = {layout};
for (const grid of document.querySelectorAll('img[alt="grid"]')) {{
  const wipe = document.createElement('div');
  wipe.className = 'wipe';
  wipe.innerHTML = '<p>Wipe from <select></select> to <select></select></p>'
    + '<input type="range" min="0" max="100" value="50" aria-label="wipe">'
    + '<div class="pictures"></div>';
  grid.parentElement.after(wipe);
  const [left, right] = wipe.querySelectorAll('select');
  const range = wipe.querySelector('input');
  for (const select of [left, right])
    layout.columns.forEach((name, i) => select.add(new Option(name, i)));
  left.value = layout.first;
  right.value = layout.last;
  const fill = () => {{
    const {{ naturalWidth: wide, naturalHeight: tall }} = grid;
    const width = (wide + layout.gap) / layout.columns.length - layout.gap;
    const height = width * layout.aspects[grid.dataset.name];
    const rows = Math.floor((tall + layout.gap) / (height + layout.gap));
    const top = tall + layout.gap - rows * (height + layout.gap);  // the titles
    const layer = (column, row) => {{
      const div = document.createElement('div');
      div.style.backgroundImage = 'url("' + grid.src + '")';
      div.style.backgroundPosition = -column * (width + layout.gap) + 'px '
        + -(top + row * (height + layout.gap)) + 'px';
      return div;
    }};
    wipe.querySelector('.pictures').replaceChildren(...[...Array(rows).keys()].map((row) => {{
      const pair = document.createElement('div');
      pair.className = 'pair';
      pair.style.width = width + 'px';
      pair.style.height = height + 'px';
      const over = layer(left.value, row);
      over.style.clipPath = 'inset(0 ' + (100 - range.value) + '% 0 0)';
      pair.append(layer(right.value, row), over);
      return pair;
    }}));
  }};
  for (const event of ['input', 'change']) wipe.addEventListener(event, fill);
  grid.complete ? fill() : grid.addEventListener('load', fill);
}}
</script>
</body>
</html>
"""


def html(
    markdown: str, folder: Path, embedded: list[str], columns: list[str], aspects: dict[str, float]
) -> str:
    """The report as a page.

    markdown: the report, whose pictures lie under `folder`/figures/<data set>.
    embedded: data sets whose pictures the page holds itself; to those of others it points.
    columns: of every grid, left to right. aspects: height over width of a data set's pictures.
    """
    body = MarkdownIt("commonmark").enable("table").render(markdown)

    def embed(found: re.Match) -> str:
        path, name = folder / found[1], found[2]
        source = found[1]
        if name in embedded:
            source = f"data:image/png;base64,{base64.b64encode(path.read_bytes()).decode()}"
        return f'data-name="{name}" src="{source}"'

    body = re.sub(r'src="(figures/([^"/]+)/[^"]+)"', embed, body)
    first, last = 2, len(columns) - 2  # stage I and the last variant
    layout = {"columns": columns, "first": first, "last": last, "gap": GAP, "aspects": aspects}
    return PAGE.format(body=body, layout=json.dumps(layout))
