"""Export a trained generator in half precision, with the scores of the exported weights; or as an
ONNX file, which runs without PyTorch."""

import argparse
import tempfile
from pathlib import Path

import numpy as np

from vdg import layout
from vdg.errors import InputError
from vdg.evaluation import rows
from vdg.files import json_bytes, read_arrays, read_json, write_all, write_arrays
from vdg.inference import onnx_file
from vdg.inference.transfer import PoseTransfer
from vdg.settings import EvaluationConfig


def halved(values: np.ndarray) -> np.ndarray:
    """Convert float32 to float16 unless a value exceeds its maximum 65,504, as variances may."""
    if values.dtype == np.float32 and np.abs(values).max() <= np.finfo(np.float16).max:
        return values.astype(np.float16)
    return values


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dataset")
    parser.add_argument("--variant")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--model", type=Path, metavar="FILE", help="with onnx: any model file")
    parser.add_argument("--format", choices=["safetensors", "onnx"], default="safetensors")
    parser.add_argument(
        "--half",
        action="store_true",
        help="with onnx: round all weights to float16, which moves images by at most 1e-3",
    )
    parser.add_argument("--output", type=Path, required=True, metavar="FILE")
    args = parser.parse_args()
    if args.model and args.format != "onnx":
        parser.error("--model goes with --format onnx")
    if args.half and args.format != "onnx":
        parser.error("--half goes with --format onnx; safetensors are halved in any case")
    if not (args.model or (args.dataset and args.variant)):
        parser.error("give --dataset and --variant, or --model with --format onnx")
    if args.output.suffix != f".{args.format}":
        beside = {
            "safetensors": "its scores go to FILE.json",
            "onnx": "FILE.onnx.json describes it",
        }
        parser.error(f"--output is a FILE.{args.format}; {beside[args.format]}")

    row = None if args.model else layout.Row.of(args)
    run = args.model or row.model
    if args.format == "onnx":
        model = PoseTransfer.load(run, "cpu")
        data = onnx_file.convert(model, args.half)
        # FILE.json would be the scores of FILE.safetensors
        about = args.output.with_name(f"{args.output.name}.json")
        write_all({args.output: data, about: json_bytes(model.meta)})
        print(f"{args.output}: {len(data) / 1e6:.1f} MB")
        return
    if run.exists() and args.output.exists() and args.output.samefile(run):
        raise InputError(f"{args.output} is the model itself: choose another --output")
    config = EvaluationConfig.model_validate(read_json(row.evaluation))
    arrays, meta = read_arrays(run)
    small = {name: halved(values) for name, values in arrays.items()}
    with tempfile.TemporaryDirectory() as temporary:
        # score the exported weights, not the original ones
        folder, model = Path(temporary), Path(temporary, "model.safetensors")
        write_arrays(model, small, meta)
        rows.evaluate(config, row.data, model, layout.references(args.dataset), folder)
        scores, packed = read_json(folder / "scores.json"), model.read_bytes()
    about = {"dataset": args.dataset, "variant": args.variant} | meta
    keys = ("metrics", "pairs", "classifier")
    text = json_bytes(about | {key: scores[key] for key in keys})
    write_all({args.output: packed, args.output.with_suffix(".json"): text})
    print(f"{args.output}: {len(packed) / 1e6:.1f} MB")
