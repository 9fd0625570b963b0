"""How well the patterns of rendered people's garments survive, with and without the part warp.

Run as `python -m bench.patterns` after `dvc repro`. Prints the mask-SSIM of every run over the
evaluated pairs of each pattern of the upper garment, and draws docs/patterns.png: pairs of people
in checks and tartans.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from vdg import cli, config, layout, systems
from vdg.data.batches import load_pairs, to_uint8
from vdg.data.synthetic.people import sample_person
from vdg.drawing import enlarge, grid, save_png
from vdg.errors import InputError
from vdg.evaluation.pairs import EvalPairs, generate
from vdg.files import read_json
from vdg.settings import EvaluationConfig
from vdg.systems.vdg.part_warp import part_warp

DATASET, FINE, SHOWN = "synthetic", ("check", "tartan"), 8
OUTPUT = Path("docs/patterns.png")


def pattern(name: str, seed: int) -> str:
    """The pattern of the upper garment in an image: 0002_c1s1_000326_00.png is of person 2."""
    return sample_person(int(name.split("_")[0]), seed).top.pattern


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.parse_args()
    params = config.load("params.yaml")
    settings, seed = params.dataset[DATASET], params.seeds[0]
    runs = [f"stage1-{name}" for name in params.networks] + params.variants
    tables = {}
    for run in runs:
        path = Path("scores", DATASET, f"{run}-{seed}", "scores.csv")
        if not path.is_file():
            raise InputError(f"{path} is missing: run dvc repro first")
        tables[run] = pd.read_csv(path)
    patterns = tables[runs[0]]["from"].map(lambda name: pattern(name, settings.source.seed))
    scores = pd.DataFrame({run: table["mask_ssim"] for run, table in tables.items()})
    scores.insert(0, "pairs", 1)
    counts = scores.groupby(patterns)["pairs"].sum()
    print(scores.groupby(patterns).mean().assign(pairs=counts).round(3).to_string())

    split = settings.evaluation.split
    (data,) = load_pairs(Path("data", DATASET), [split], torch.device("cpu"))
    evaluated = read_json(layout.Row(DATASET, params.variants[0], seed, coarse=False).evaluation)
    pairs = EvalPairs(data, EvaluationConfig.model_validate(evaluated))
    fine = np.flatnonzero(patterns.isin(FINE))
    chosen = fine[np.linspace(0, len(fine) - 1, SHOWN).astype(int)]
    batch = data.batch(pairs.positions[chosen])
    warped = to_uint8(part_warp(batch.I_a, batch.K_a, batch.K_b)[:, :3])
    columns = {"source": pairs.images(0)[chosen], "part warp": warped}
    for run in params.variants:
        model = Path("models", DATASET, f"{run}-{seed}", "model.safetensors")
        generator, _ = systems.load(model, torch.device("cpu"))
        columns[run] = generate(generator, pairs)[chosen]
    columns["target"] = pairs.images(1)[chosen]
    rows = [
        [np.asarray(enlarge(image, 2)) for image in row]
        for row in zip(*columns.values(), strict=True)
    ]
    save_png(OUTPUT, grid(rows, list(columns)))
    print(OUTPUT)


if __name__ == "__main__":
    cli.run(main)
