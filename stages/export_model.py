"""Pack a trained generator into one small file, with the figures of that file beside it."""

import argparse
import tempfile
from pathlib import Path

import numpy as np

from vdg import cli, evaluate
from vdg.files import read_arrays, read_json, write_arrays, write_json


def halved(values: np.ndarray) -> np.ndarray:
    """Single precision as half, where that can hold it: it ends at 65,504, a variance may not."""
    if values.dtype == np.float32 and np.abs(values).max() <= np.finfo(np.float16).max:
        return values.astype(np.float16)
    return values


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dataset", required=True)
    parser.add_argument("--variant", required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, required=True, metavar="FILE.safetensors")
    args = parser.parse_args()

    run = f"models/{args.dataset}/{args.variant}-{args.seed}/model.safetensors"
    config = read_json(f"configs/{args.dataset}/evaluation-{args.variant}.json")
    data, references = Path("data") / args.dataset, Path("scores") / args.dataset / "references"
    arrays, meta = read_arrays(run)
    small = {name: halved(values) for name, values in arrays.items()}
    write_arrays(args.output, small, meta)
    with tempfile.TemporaryDirectory() as folder:
        # the shipped figures are those of the shipped weights
        evaluate.evaluate(config, data, args.output, references, Path(folder))
        scores = read_json(Path(folder) / "scores.json")
    about = {"dataset": args.dataset, "variant": args.variant} | meta
    keys = ("metrics", "pairs", "classifier")
    write_json(args.output.with_suffix(".json"), about | {key: scores[key] for key in keys})
    print(f"{args.output}: {args.output.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    cli.run(main)
