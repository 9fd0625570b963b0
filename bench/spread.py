"""How far scores move with the number of threads and the CPU's instruction set, at equal seeds.

Run as `python -m bench.spread` after `dvc repro`, on an idle machine. The trainings and evaluations
of params.yaml are repeated with the first of its seeds in a folder for each setting, under
.scratch/spread/, from the data that are there. After an interruption the same command goes on. The
scores are written to docs/notes/spread.csv, which `stages.ablation_table --keep` sets beside the
spread of the seeds.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from vdg import cli, config
from vdg.errors import InputError
from vdg.files import write_bytes
from vdg.report.inputs import RunScores, read
from vdg.report.spread import fingerprint

AVX2 = {
    "ATEN_CPU_CAPABILITY": "avx2",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "MKL_ENABLE_INSTRUCTIONS": "AVX2",
}
SETTINGS: dict[str, tuple[int, dict[str, str]]] = {
    "1 thread": (1, {}),
    "2 threads": (2, {}),
    "2 threads, AVX2": (2, AVX2),
}
"""Threads and environment of each setting."""
FOLDER, OUTPUT = Path(".scratch/spread"), Path("docs/notes/spread.csv")
MADE = ("models", "losses", "scores", ".scratch")


def steps(params: config.Params, dataset: str) -> Iterator[tuple[list[str], Path]]:
    """The stages that train and score a data set: (module and arguments, file it ends with)."""
    seed, models, scores = params.seeds[0], Path("models", dataset), Path("scores", dataset)
    common, seeded = ["--dataset", dataset], ["--seed", str(seed)]
    yield ["evaluate", *common, "--references"], scores / "references/real.json"
    for name in params.networks:
        run = [*common, "--network", name, *seeded]
        yield ["train_stage1", *run], models / f"stage1-{seed}/{name}/model.safetensors"
        yield ["evaluate", *run], scores / f"stage1-{name}-{seed}/scores.json"
    for name in params.variants:
        run, folder = [*common, "--variant", name, *seeded], models / f"{name}-{seed}"
        yield ["assign_stage1", *run], folder / "stage1.safetensors"
        yield ["train_stage2", *run], folder / "model.safetensors"
        yield ["evaluate", *run], scores / f"{name}-{seed}/scores.json"


def prepare(folder: Path, threads: int) -> None:
    """A folder with the code and data of this one, and other threads in params.yaml.

    What it made with other settings or code is deleted.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("stages", "data"):
        if not (folder / name).is_symlink():
            (folder / name).symlink_to(Path(name).resolve())
    text = re.sub(
        r"^threads:.*$", f"threads: {threads}", Path("params.yaml").read_text(), flags=re.M
    )
    (folder / "params.yaml").write_text(text)
    before = _contents(folder / "configs")
    run(folder, ["resolve"], {})
    if before != _contents(folder / "configs"):
        for name in MADE:
            shutil.rmtree(folder / name, ignore_errors=True)


def _contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*.json")}


def run(folder: Path, command: list[str], environment: dict[str, str]) -> None:
    """Run a stage in a folder. Raises InputError if it fails or is stopped."""
    stage, *arguments = command
    done = subprocess.run(
        [sys.executable, "-m", f"stages.{stage}", *arguments],
        cwd=folder,
        env=os.environ | environment,
        check=False,
    )
    if done.returncode:
        raise InputError(f"stages.{stage} stopped: run the same command again to go on")


def scores(folder: Path, setting: str, dataset: str, seed: int) -> Iterator[dict]:
    """Lines of the CSV: every metric of every trained run."""
    for path in sorted((folder / "scores" / dataset).glob(f"*-{seed}/scores.json")):
        found, name = read(path, RunScores), path.parent.name.removesuffix(f"-{seed}")
        run = {"dataset": dataset, "run": name, "training": fingerprint(found.about)}
        for metric, value in found.metrics.items():
            yield run | {"metric": metric, "setting": setting, "value": value}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.parse_args()
    params, lines = config.load("params.yaml"), []
    for dataset in params.datasets:
        if not Path("data", dataset, "poses").is_dir():
            raise InputError(f"data/{dataset} is missing: run dvc repro first")
    for setting, (threads, environment) in SETTINGS.items():
        folder = FOLDER / re.sub(r"\W+", "-", setting)
        prepare(folder, threads)
        for dataset in params.datasets:
            for command, output in steps(params, dataset):
                start = time.perf_counter()
                if not (folder / output).is_file():
                    run(folder, command, environment)
                    minutes = (time.perf_counter() - start) / 60
                    print(f"{setting}: {' '.join(command)}: {minutes:.1f} minutes", flush=True)
            lines += scores(folder, setting, dataset, params.seeds[0])
    table = pd.DataFrame(lines).to_csv(index=False, float_format="%.6f")
    write_bytes(OUTPUT, table.encode())
    shutil.rmtree(FOLDER)
    print(OUTPUT)


if __name__ == "__main__":
    cli.run(main)
