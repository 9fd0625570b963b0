"""reports/index.html: one file, with a slider between the columns of the grid."""

import re

import numpy as np
import pytest
from browser import open_page

from vdg.drawing import grid, save_png
from vdg.report.page import html

COLUMNS = ["source", "pose", "stage1", "l1", "full", "target"]
ROWS, HEIGHT, WIDTH = 3, 64, 32


def picture(i, j):
    """A plain picture, whose colour tells row and column."""
    return np.full((HEIGHT, WIDTH, 3), (40 + 70 * i, 40 * j, 200), np.uint8)


@pytest.fixture
def page(tmp_path):
    """A page of one rendered data set and one of photographs."""
    rows = [[picture(i, j) for j in range(len(COLUMNS))] for i in range(ROWS)]
    for name in ("drawn", "photographed"):
        save_png(tmp_path / "figures" / name / "grid.png", grid(rows, COLUMNS))
    text = "# Results\n\n| row | SSIM |\n|---|---|\n| full | **0.6** |\n"
    text += "".join(f"\n![grid](figures/{name}/grid.png)\n" for name in ("drawn", "photographed"))
    aspects = dict.fromkeys(("drawn", "photographed"), HEIGHT / WIDTH)
    (tmp_path / "index.html").write_text(html(text, tmp_path, ["drawn"], COLUMNS, aspects))
    return tmp_path / "index.html"


def test_tables_and_pictures(page):
    text = page.read_text()
    assert "<td><strong>0.6</strong></td>" in text
    sources = re.findall(r'<img data-name="(\w+)" src="([^"]{20})', text)
    assert [name for name, _ in sources] == ["drawn", "photographed"]
    assert sources[0][1].startswith("data:image/png")


def test_photographs_stay_outside_of_the_page(page):
    assert 'src="figures/photographed/grid.png"' in page.read_text()


def test_slider_in_a_browser(page):
    Select = pytest.importorskip("selenium.webdriver.support.ui").Select
    layers = """return [...document.querySelectorAll('.wipe')].map((wipe) =>
      [...wipe.querySelectorAll('.pair')].map((pair) => [...pair.children].map((div) =>
        [div.style.backgroundPosition, div.style.clipPath, pair.style.height])));"""
    with open_page(page.as_uri()) as shown:
        wipes = shown.execute_script(layers)
        assert [len(pairs) for pairs in wipes] == [ROWS, ROWS]
        # the last row: under it `full`, over it `stage1`; 16 pixels of titles, gaps of 2
        below, above = wipes[0][2]
        assert below == [f"{-4 * (WIDTH + 2)}px {-16 - 2 * (HEIGHT + 2)}px", "", f"{HEIGHT}px"]
        assert above[0].startswith(f"{-2 * (WIDTH + 2)}px")
        assert above[1] == "inset(0px 50% 0px 0px)"
        shown.execute_script(
            """const range = document.querySelector('.wipe input');
            range.value = 10; range.dispatchEvent(new Event('input', {bubbles: true}));"""
        )
        assert "90%" in shown.execute_script(layers)[0][0][1][1]
        chosen = Select(shown.find_elements("css selector", ".wipe select")[1])
        chosen.select_by_visible_text("target")
        assert shown.execute_script(layers)[0][0][0][0].startswith(f"{-5 * (WIDTH + 2)}px")
        errors = [entry for entry in shown.get_log("browser") if entry["level"] == "SEVERE"]
        assert not errors
