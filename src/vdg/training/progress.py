"""What a training shows while it runs: its losses as a CSV that grows, and how far it is."""

import sys
import time
from pathlib import Path

from tqdm import tqdm

from vdg.files import write_bytes

Row = dict[str, float]
LINE_EVERY = 60.0  # seconds, where there is no terminal


class LossesFile:
    """The losses as a CSV: it grows row by row, and has the same bytes however often it was begun.

    last: columns that only some rows have, such as metrics; they are empty in the others.
    """

    def __init__(self, path: Path, last: tuple[str, ...] = ()):
        self.path, self.last, self.begun = path, last, False

    def write(self, rows: list[Row]) -> None:
        """Add the last of all rows so far; the first call writes all of them."""
        if self.begun and self.path.is_file():
            with open(self.path, "ab") as file:  # in place, for `tail -f`
                file.write(self._text(rows, rows[-1:], header=False))
        else:  # a new file, because the old one may be a link into DVC's cache
            self.finish(rows)

    def finish(self, rows: list[Row]) -> None:
        """Write the whole file anew."""
        write_bytes(self.path, self._text(rows, rows))
        self.begun = True

    def _text(self, all_rows: list[Row], rows: list[Row], header: bool = True) -> bytes:
        columns = [name for name in all_rows[0] if name not in self.last] + [*self.last]
        lines = [columns] if header else []
        lines += [[_cell(row.get(name, "")) for name in columns] for row in rows]
        return "".join(",".join(line) + "\n" for line in lines).encode()


def _cell(value: float | str) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


class Progress:
    """A bar on a terminal; elsewhere, as in a queue's log, a line a minute."""

    def __init__(self, label: str, steps: int, start: int, shown: bool):
        self.label, self.steps, self.start = label, steps, start
        self.bar = tqdm(
            total=steps,
            initial=start,
            desc=label,
            unit="step",
            disable=None if shown else True,
            mininterval=1,
        )
        self.lines = shown and self.bar.disable
        self.began = self.printed = time.monotonic()
        self.losses = ""

    def __enter__(self) -> "Progress":
        self.bar.__enter__()
        return self

    def __exit__(self, *error) -> None:
        self.bar.__exit__(*error)

    def note(self, row: Row) -> None:
        """Show the losses of a row of the CSV from now on."""
        shown = {name: f"{value:.3f}" for name, value in row.items() if name != "step"}
        self.bar.set_postfix(shown)
        self.losses = "".join(f", {name} {value}" for name, value in shown.items())

    def update(self, done: int) -> None:
        """A step was taken, the `done`-th."""
        self.bar.update()
        now = time.monotonic()
        if self.lines and now - self.printed >= LINE_EVERY:
            self.printed = now
            left = (now - self.began) / (done - self.start) * (self.steps - done)
            print(
                f"{self.label}: step {done} of {self.steps}{self.losses}, {_time(left)} left",
                file=sys.stderr,
                flush=True,
            )


def _time(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"
