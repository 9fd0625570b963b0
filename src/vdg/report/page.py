"""The report as text: results.md, and index.html, a page that needs no other file."""

import base64
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import jinja2
from markdown_it import MarkdownIt
from markupsafe import Markup

from vdg.report import tables
from vdg.report.comparisons import Comparison, among_ours
from vdg.report.pictures import Layout
from vdg.report.rows import DatasetReport
from vdg.report.spread import Spread, unmeasured
from vdg.report.summary import Summary, summarise

TEMPLATES = Path(__file__).parent / "templates"
FOLDED = ("extremes", "losses")  # figures for those who look closer


@dataclass
class Chapter:
    """What the templates know of one data set. figures: names of what was drawn, and layout that
    of the one named grid; none in a text without pictures."""

    report: DatasetReport
    ours: list[Comparison]
    summary: Summary
    figures: list[str]
    layout: Layout | None = None
    spread: Spread | None = None  # of threads and instruction sets, where it was measured
    sources: dict[str, str] | None = None  # of the figures in the page, by name

    @property
    def name(self) -> str:
        return self.report.name

    @property
    def validation(self) -> bool:
        return self.report.settings.evaluated == "validation"

    @property
    def unmeasured(self) -> list[str]:
        """Our rows that `spread` does not know."""
        return unmeasured(self.report, self.spread) if self.spread else []

    @property
    def open_figures(self) -> list[str]:
        return [name for name in self.figures if name not in FOLDED]

    @property
    def folded_figures(self) -> list[str]:
        return [name for name in self.figures if name in FOLDED]


def chapter(report: DatasetReport, spread: Spread | None = None) -> Chapter:
    """What the scores of a data set say, without figures."""
    ours = among_ours(report)
    return Chapter(report, ours, summarise(report, ours), [], spread=spread)


def markdown(chapters: list[Chapter], note: str = "") -> str:
    """results.md. note: Markdown for its first lines."""
    return (
        _environment()
        .get_template("results.md.jinja")
        .render(chapters=chapters, note=Markup(note), published=tables.published_table())
    )


def html(chapters: list[Chapter], folder: Path) -> str:
    """index.html. The figures that `chapters` names lie in `folder`/figures/<data set>/; those of
    rendered people become part of the page, to those of real people it refers."""
    for chapter in chapters:
        chapter.sources = {name: _source(chapter, name, folder) for name in chapter.figures}
    return (
        _environment()
        .get_template("page.html.jinja")
        .render(chapters=chapters, published=tables.published_table())
    )


def _source(chapter: Chapter, name: str, folder: Path) -> str:
    path = f"figures/{chapter.name}/{name}.png"
    if not chapter.report.settings.rendered:
        return path
    return "data:image/png;base64," + base64.b64encode((folder / path).read_bytes()).decode()


def _environment() -> jinja2.Environment:
    """Templates whose values are escaped for HTML, in Markdown too: no text acts as a tag."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.globals["tables"] = tables
    environment.globals["layout"] = asdict
    environment.filters |= {
        "inline": lambda text: Markup(tables.inline(text)),
        "names": _names,
        "oneline": lambda text: Markup(re.sub(r"\s+", " ", text).strip()),
        "items": lambda text: Markup(re.sub(r"\s*\n (?=\S)", " ", text).strip()),
        "table": lambda table: Markup(tables.markdown(table).rstrip()),
        "score": lambda value, metric: tables.number([value], metric),
        "span": _span,
        "html": lambda text: Markup(_MARKDOWN.render(str(text))),
    }
    return environment


_MARKDOWN = MarkdownIt("commonmark", {"html": False}).enable("table")


def _names(names: Iterable[str]) -> Markup:
    return Markup(", ".join(map(tables.inline, names)))


def _span(values: list[float], metric: str) -> str:
    """The lowest and the highest value, as one where they print alike."""
    ends = [tables.number([value], metric) for value in (min(values), max(values))]
    return " to ".join(dict.fromkeys(ends))
