"""reports/index.html: one file, with a slider between the columns of the grid."""

import base64
import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from browser import open_page
from markdown_it import MarkdownIt
from PIL import Image
from scored import HEIGHT, PAIRS, WIDTH, Scored, coarse, row

from vdg.report import publish

HOSTILE = (
    "<script>alert(1)</script> <img src=../../secret.png onerror=alert(2)> "
    "![x](figures/../../../etc/passwd) [y](javascript:alert(3)) | `a\n\n# b\n</details>\n"
)


class Tags(HTMLParser):
    """All tags of a page, with their attributes."""

    def __init__(self, text):
        super().__init__()
        self.found: list[tuple[str, dict]] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def of(self, tag):
        return [attributes for name, attributes in self.found if name == tag]


def write(scored):
    publish.write(scored.configure(), scored.scores, scored.losses, scored.root / "reports")
    return scored.root / "reports"


def figures(folder):
    return {path.name: path.read_bytes() for path in (folder / "figures/data").iterdir()}


@pytest.fixture
def scored(tmp_path):
    entries = [coarse(), row("l1", paper="VDG^L1"), row("full", paper="VDG", about="the method")]
    found = Scored(tmp_path, entries)
    found.run("full", 0, np.full(PAIRS, 0.6))
    return found


def test_the_page_says_what_the_text_says(scored):
    page = (write(scored) / "index.html").read_text()
    assert "<td><strong>0.600</strong></td>" in page
    assert "<td>the method</td>" in page
    assert page.index("In one minute") < page.index('class="scores"') < page.index("<figure>")
    assert page.index("<figure>") < page.index("<details>")
    tags = Tags(page)
    assert len(tags.of("summary")) == len(tags.of("details")) >= 10
    text = (scored.root / "reports/results.md").read_text()
    assert len(tags.of("table")) == len(re.findall(r"^\| --- ", text, re.MULTILINE))


def test_the_page_holds_the_figures_that_were_drawn_and_no_others(scored):
    folder = write(scored)
    sources = [image["src"] for image in Tags((folder / "index.html").read_text()).of("img")]
    prefix = "data:image/png;base64,"
    assert all(source.startswith(prefix) for source in sources)
    embedded = {base64.b64decode(source.removeprefix(prefix)) for source in sources}
    assert embedded == {*figures(folder).values()}


def test_photographs_stay_outside_of_the_page(scored):
    scored.settings["rendered"] = False
    folder = write(scored)
    page = (folder / "index.html").read_text()
    sources = {image["src"] for image in Tags(page).of("img")}
    assert sources == {f"figures/data/{name}" for name in figures(folder)}
    assert "base64" not in page
    assert "how photographs would score" not in page


def test_texts_do_not_act(scored):
    """Neither in the page nor in results.md, wherever a text may come from."""
    calm = write(scored)
    expected = [Tags((calm / "index.html").read_text()), Tags(rendered(calm))]
    scored.rows[2] |= {"name": f"full {HOSTILE}", "about": HOSTILE}
    machine = dict.fromkeys(("device", "mode", "versions"), HOSTILE)
    scored.run("full", 0, np.full(PAIRS, 0.6), stage2={"mode": HOSTILE}, about={"run": machine})
    losses = scored.losses / "data" / "full-0.csv"
    losses.write_text(losses.read_text().replace("l1", "<b>$\\frac"))
    folder = write(scored)
    texts = [(folder / "index.html").read_text(), rendered(folder)]
    for text, before in zip(texts, expected, strict=True):
        tags = Tags(text)
        assert len(tags.of("script")) == len(before.of("script"))
        assert len(tags.of("img")) == len(before.of("img"))
        assert tags.of("a") == []
        assert {*dict(tags.found)} <= {*dict(before.found)} | {"th", "td", "tr"}
        assert len(tags.of("table")) == len(before.of("table"))
        assert not [image for image in tags.of("img") if "secret" in image["src"]]
        assert not [image for image in tags.of("img") if "passwd" in image["src"]]
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in texts[0]  # it is shown as it was written


def rendered(folder):
    """results.md, by a renderer that lets HTML through."""
    text = (folder / "results.md").read_text()
    return MarkdownIt("commonmark", {"html": True}).enable("table").render(text)


def test_a_validation_report_says_so_in_title_and_banner(scored):
    scored.settings["evaluated"] = "validation"
    page = (write(scored) / "index.html").read_text()
    assert "<title>VDG: validation results</title>" in page
    assert "<strong>Validation pairs, not test pairs.</strong>" in page


def test_layout_finds_each_image_in_the_grid(scored):
    """Samples are plain images whose colour encodes the pair, so the grid can be decoded."""
    folder = write(scored)
    wipe = next(
        attributes
        for attributes in Tags((folder / "index.html").read_text()).of("div")
        if attributes.get("class") == "wipe"
    )
    layout = json.loads(wipe["data-layout"])
    grid = np.asarray(Image.open(folder / "figures/data/grid.png"))
    assert layout["columns"] == ["source", "pose", "stage1", "l1", "full", "target"]
    assert [layout["columns"][layout[key]] for key in ("first", "last")] == ["stage1", "full"]
    assert (layout["height"], layout["width"]) == (2 * HEIGHT, 2 * WIDTH)
    assert len(layout["origins"]) == 10
    for pair, (x, y) in enumerate(layout["origins"]):
        for column in (0, 2, 3, 4, 5):
            left = x + column * layout["step"]
            image = grid[y : y + layout["height"], left : left + layout["width"]]
            assert image.shape == (2 * HEIGHT, 2 * WIDTH, 3)
            assert (image == 20 * pair).all()


def test_slider_in_a_browser(scored):
    select = pytest.importorskip("selenium.webdriver.support.ui").Select
    address = (write(scored) / "index.html").as_uri()
    layers = """return [...document.querySelectorAll('.pair')].map((pair) =>
      [...pair.children].map((div) =>
        [div.style.backgroundPosition, div.style.clipPath, pair.style.height]));"""
    with open_page(address) as shown:
        pairs = shown.execute_script(layers)
        layout = json.loads(shown.find_element("class name", "wipe").get_attribute("data-layout"))
        assert len(pairs) == 10
        # under the last pair `full`, over it `stage1`
        x, y = layout["origins"][-1]
        below, above = pairs[-1]
        place = f"{-x - 4 * layout['step']}px {-y}px"
        assert below == [place, "", f"{layout['height']}px"]
        assert above[0].startswith(f"{-x - 2 * layout['step']}px")
        assert above[1] == "inset(0px 50% 0px 0px)"
        shown.execute_script(
            """const range = document.querySelector('.wipe input');
            range.value = 10; range.dispatchEvent(new Event('input', {bubbles: true}));"""
        )
        assert "90%" in shown.execute_script(layers)[0][1][1]
        chosen = select(shown.find_elements("css selector", ".wipe select")[1])
        chosen.select_by_visible_text("target")
        assert shown.execute_script(layers)[0][0][0].startswith(f"{-5 * layout['step']}px")
        errors = [entry for entry in shown.get_log("browser") if entry["level"] == "SEVERE"]
        assert not errors
