"""Wall time and memory of every stage, of a run with nothing to do, and of one changed parameter.

Run as `python -m bench.pipeline [--growth]` in a clean checkout: it clones it into a temporary
folder and leaves the checkout alone. --growth instead shows how the stages that see every picture
grow with 1, 4 and 16 times the pictures.
"""

import argparse
import contextlib
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import psutil

TIMES = (1, 4, 16)
POLL = 0.05  # seconds
NO_OPS = 7


def resident(process: psutil.Process) -> int:
    """Bytes of a process and of all below it; pages that they share count for each."""
    size = 0
    for one in (process, *process.children(recursive=True)):
        with contextlib.suppress(psutil.NoSuchProcess):
            size += one.memory_info().rss
    return size


def dvc(folder: Path, *arguments: str) -> tuple[float, dict[str, tuple[float, int]]]:
    """Run DVC. Returns its wall time, and (seconds, bytes) of each stage that it ran."""
    command = [sys.executable, "-m", "dvc", *arguments]
    start = time.perf_counter()
    process = subprocess.Popen(
        command, cwd=folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    stages: dict[str, list[float]] = {}
    current: list[str] = []

    def watch():
        root = psutil.Process(process.pid)
        while process.poll() is None:
            if current:
                try:
                    stages[current[-1]][2] = max(stages[current[-1]][2], resident(root))
                except psutil.NoSuchProcess:
                    break
            time.sleep(POLL)

    watcher = threading.Thread(target=watch)
    watcher.start()
    for line in process.stdout:
        now = time.perf_counter()
        if found := re.match(r"Running stage '([^']+)'", line):
            stages[found[1]] = [now, now, 0]
            current.append(found[1])
        elif current:
            stages[current[-1]][1] = now
    if process.wait():
        sys.exit(f"{' '.join(command)} failed in {folder}")
    watcher.join()
    whole = time.perf_counter() - start
    names = list(stages)
    ends = [*(stages[name][0] for name in names[1:]), start + whole][: len(names)]
    return whole, {
        name: (end - stages[name][0], int(stages[name][2]))
        for name, end in zip(names, ends, strict=True)
    }


def table(stages: dict[str, tuple[float, int]], whole: float) -> None:
    print("\n| stage | seconds | share | peak GiB |\n|---|---|---|---|")
    for name, (seconds, size) in stages.items():
        print(f"| {name} | {seconds:.1f} | {seconds / whole:.0%} | {size / 2**30:.2f} |")
    largest = max(size for _, size in stages.values())
    print(f"| all | {whole:.1f} | 100% | {largest / 2**30:.2f} |")


def clone(folder: Path) -> Path:
    root = Path(__file__).parents[1]
    subprocess.run(["git", "clone", "--quiet", root, folder], check=True)
    return folder


def default(folder: Path) -> None:
    """The default run, from nothing; then with nothing to do; then with another alpha."""
    # a cache that several clones share may know the results already
    whole, stages = dvc(clone(folder / "default"), "repro", "--no-run-cache")
    print("\n## dvc repro")
    table(stages, whole)
    times = [dvc(folder / "default", "repro")[0] for _ in range(NO_OPS)]
    print(
        f"\n## dvc repro with nothing to do\n\n"
        f"median of {NO_OPS}: {statistics.median(times):.2f} s, "
        f"{min(times):.2f} to {max(times):.2f}"
    )
    changed, stages = dvc(folder / "default", "exp", "run", "-S", "alpha=0.5")
    print(f"\n## dvc exp run -S alpha=0.5\n\n{changed / whole:.0%} of the whole")
    table(stages, changed)


def growth(folder: Path) -> None:
    """Time and memory of the stages that see every picture."""
    clone(folder / "growth")
    wanted = ("download", "pose-heatmaps", "train-stage1")
    found: dict[str, list[tuple[float, int]]] = {name: [] for name in wanted}
    pictures = []
    for factor in TIMES:
        settings = {"train_identities": 170 * factor, "test_identities": 40 * factor}
        pictures.append(sum(settings.values()) * 8)
        parameters = [f"dataset.synthetic.source.{k}={v}" for k, v in settings.items()]
        parameters += ["network.vdg.stage1.synthetic.steps=20"]
        flags = [flag for parameter in parameters for flag in ("-S", parameter)]
        _, stages = dvc(folder / "growth", "exp", "run", *flags, "train-stage1")
        for name in wanted:
            found[name] += [v for k, v in stages.items() if k.startswith(f"{name}@")]
    header = " | ".join(f"{n} pictures" for n in pictures)
    print(f"\n## Growth\n\n| stage | {header} | per picture |\n|---|{'---|' * (len(TIMES) + 1)}")
    span = pictures[-1] - pictures[0]
    for name, values in found.items():
        cells = [f"{seconds:.1f} s, {size / 2**30:.2f} GiB" for seconds, size in values]
        seconds, size = (b - a for a, b in zip(values[0], values[-1], strict=True))
        each = f"{seconds / span * 1e3:.2f} ms, {size / span / 2**10:.1f} KiB"
        print(f"| {name} | {' | '.join(cells)} | {each} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--growth", action="store_true")
    args = parser.parse_args()
    print(f"{psutil.cpu_count()} cores, {psutil.virtual_memory().total / 2**30:.0f} GiB")
    with tempfile.TemporaryDirectory() as folder:
        (growth if args.growth else default)(Path(folder))


if __name__ == "__main__":
    main()
