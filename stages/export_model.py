"""Pack a trained generator into one small file, with the figures of that file beside it."""

import argparse
import tempfile
from pathlib import Path

import numpy as np

from vdg import cli, evaluate
from vdg.errors import InputError
from vdg.files import json_bytes, read_arrays, read_json, write_all, write_arrays


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
    if args.output.suffix != ".safetensors":
        parser.error("--output is a FILE.safetensors; its scores go to FILE.json")

    run = Path(f"models/{args.dataset}/{args.variant}-{args.seed}/model.safetensors")
    if run.exists() and args.output.exists() and args.output.samefile(run):
        raise InputError(f"{args.output} is the model itself: choose another --output")
    config = read_json(f"configs/{args.dataset}/evaluation-{args.variant}.json")
    data, references = Path("data") / args.dataset, Path("scores") / args.dataset / "references"
    arrays, meta = read_arrays(run)
    small = {name: halved(values) for name, values in arrays.items()}
    with tempfile.TemporaryDirectory() as temporary:
        # the shipped figures are those of the shipped weights
        folder, model = Path(temporary), Path(temporary, "model.safetensors")
        write_arrays(model, small, meta)
        evaluate.evaluate(config, data, model, references, folder)
        scores, packed = read_json(folder / "scores.json"), model.read_bytes()
    about = {"dataset": args.dataset, "variant": args.variant} | meta
    keys = ("metrics", "pairs", "classifier")
    text = json_bytes(about | {key: scores[key] for key in keys})
    write_all({args.output: packed, args.output.with_suffix(".json"): text})
    print(f"{args.output}: {len(packed) / 1e6:.1f} MB")


if __name__ == "__main__":
    cli.run(main)
