"""Export a trained generator in half precision, with the scores of the exported weights; as an ONNX
file, which runs without PyTorch; or with a page that runs it in a browser."""

import argparse
import shlex
import tempfile
from pathlib import Path

import numpy as np

from vdg import layout
from vdg.errors import InputError
from vdg.evaluation import rows
from vdg.files import json_bytes, read_arrays, read_json, write_all, write_arrays
from vdg.inference import onnx_file, static_page
from vdg.inference.transfer import RENDERED, PoseTransfer, model_file
from vdg.settings import EvaluationConfig


def halved(values: np.ndarray) -> np.ndarray:
    """Convert float32 to float16 unless a value exceeds its maximum 65,504, as variances may."""
    if values.dtype == np.float32 and np.abs(values).max() <= np.finfo(np.float16).max:
        return values.astype(np.float16)
    return values


def write_page(args: argparse.Namespace) -> None:
    model = layout.Row.of(args).model if args.dataset else args.model or RENDERED
    size = static_page.write(args.page, model, args.half, args.runtime)
    print(
        f"{args.page}: {size / 1e6:.1f} MB. Put it on any static web host, or try it here: "
        f"python3 -m http.server --bind 127.0.0.1 --directory {shlex.quote(str(args.page))}"
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dataset")
    parser.add_argument("--variant")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--model",
        type=model_file,
        metavar="FILE",
        help="with onnx or --page: any model file, photographs or rendered",
    )
    parser.add_argument("--format", choices=["safetensors", "onnx"], default="safetensors")
    parser.add_argument(
        "--half",
        action="store_true",
        help="with onnx or --page: round all weights to float16, which moves images by at most "
        "1e-3",
    )
    target = parser.add_mutually_exclusive_group(required=True)
    target.add_argument("--output", type=Path, metavar="FILE")
    target.add_argument(
        "--page",
        type=Path,
        metavar="DIR",
        help="write a page to DIR that runs the model in the visitor's browser; without --model "
        "and --dataset, that of rendered people in pretrained/",
    )
    parser.add_argument(
        "--runtime",
        type=Path,
        metavar="FILE",
        help=f"with --page: npm's archive of {static_page.PACKAGE}, if it is here",
    )
    args = parser.parse_args()
    if args.runtime and not args.page:
        parser.error("--runtime goes with --page")
    if bool(args.dataset) != bool(args.variant) or (args.model and args.dataset):
        parser.error("give --dataset and --variant, or --model")
    if args.page:
        write_page(args)
        return
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
