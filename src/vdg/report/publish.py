"""reports/: results.md, results.csv, metrics.json, index.html and figures, all of them or none."""

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from vdg.errors import InputError
from vdg.files import write_bytes, write_json
from vdg.report import page, pictures, spread
from vdg.report.inputs import Config
from vdg.report.rows import DatasetReport, collect, tidy

WRITTEN = ("figures", "results.csv", "metrics.json", "results.md", "index.html")


def write(config: Config, scores: Path, losses: Path, output: Path) -> None:
    """Write the whole report. Where anything fails, `output` stays as it was; what else it holds,
    such as reports that were kept, stays in any case."""
    reports = collect(config, scores)
    chapters = [page.chapter(report) for report in reports]
    with _replacing(output) as new:
        for chapter in chapters:
            folder = new / "figures" / chapter.name
            chapter.figures, chapter.layout = pictures.draw(
                chapter.report, chapter.ours, scores, losses, folder
            )
        table = tidy(reports).to_csv(index=False, float_format="%.6f")
        write_bytes(new / "results.csv", table.encode())
        write_json(new / "metrics.json", metrics(reports))
        write_bytes(new / "results.md", page.markdown(chapters).encode())
        write_bytes(new / "index.html", page.html(chapters, new).encode())


def keep(
    config: Config,
    scores: Path,
    file: Path,
    reports: Path,
    note: str = "",
    measured: Path | None = None,
) -> None:
    """Write the text alone, without figures, to a file that the next run does not overwrite.

    file: a .md in `reports` that is not of the report itself; else InputError.
    measured: where bench.spread writes; there need be no file.
    """
    inside = file.resolve().parent == reports.resolve()
    if not inside or file.suffix != ".md" or file.name in WRITTEN:
        raise InputError(f"--keep {file}: choose a new name that ends in .md, in {reports}/")
    spreads = spread.read(measured) if measured else {}
    chapters = [
        page.chapter(report, spreads.get(report.name)) for report in collect(config, scores)
    ]
    write_bytes(file, page.markdown(chapters, note).encode())


def metrics(reports: list[DatasetReport]) -> dict[str, dict[str, dict[str, float]]]:
    """The main table's metrics of each trained row: few enough for `dvc exp show`."""
    return {
        report.name: {
            row.name: {key: row.mean(key) for key in map(report.column, report.main)}
            for row in report.trained
        }
        for report in reports
    }


@contextlib.contextmanager
def _replacing(output: Path) -> Iterator[Path]:
    """Yield a new folder; when the block ends without an error, what it holds of WRITTEN takes its
    place in `output`."""
    new, old = output / ".new", output / ".old"
    for folder in (new, old):
        shutil.rmtree(folder, ignore_errors=True)  # of a process that was killed
    try:
        for folder in (new, old):
            folder.mkdir(parents=True)
        yield new
        _swap(new, output, old)
    except OSError as error:
        raise InputError(f"cannot write {output}: {error}; nothing was changed") from error
    finally:
        for folder in (new, old):
            shutil.rmtree(folder, ignore_errors=True)


def _swap(new: Path, output: Path, old: Path) -> None:
    """Move each of WRITTEN from `new` to `output`; if one cannot be moved, put all back."""
    try:
        for name in WRITTEN:
            if (output / name).exists():
                os.replace(output / name, old / name)
            os.replace(new / name, output / name)
    except BaseException:
        for path in old.iterdir():
            if path.is_dir():
                shutil.rmtree(output / path.name, ignore_errors=True)
            os.replace(path, output / path.name)
        raise
