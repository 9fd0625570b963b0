"""Evaluate the reference rows, a network or a variant on the test pairs of a data set."""

import argparse
from pathlib import Path

from vdg import cli, evaluate
from vdg.errors import InputError
from vdg.files import read_json, replacing_folder


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dataset", required=True)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--references", action="store_true")
    what.add_argument("--network")
    what.add_argument("--variant")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--pictures",
        type=Path,
        metavar="DIR",
        help="write the generated images there, score nothing",
    )
    args = parser.parse_args()
    if args.pictures and args.references:
        parser.error("--pictures goes with --network or --variant")

    row = args.variant or f"stage1-{args.network}"
    kind, run = f"evaluation-{row}", f"{row}-{args.seed}"
    if args.references:
        kind = run = "references"
    config = read_json(f"configs/{args.dataset}/{kind}.json")
    data, scores = Path("data") / args.dataset, Path("scores") / args.dataset
    trained = run if args.variant else f"stage1-{args.seed}/{args.network}"
    model = Path("models") / args.dataset / trained / "model.safetensors"
    if args.pictures:
        if args.pictures.exists() and not is_empty(args.pictures):
            raise InputError(f"--pictures {args.pictures}: exists: choose a new folder")
        evaluate.pictures(config, data, model, args.pictures)
        print(args.pictures)
        return
    with replacing_folder(scores / run) as output:
        if args.references:
            evaluate.references(config, data, output)
        else:
            pictures = Path("pictures", args.dataset, run) if config["pictures"] else None
            evaluate.evaluate(config, data, model, scores / "references", output, pictures)


def is_empty(path: Path) -> bool:
    return path.is_dir() and not any(path.iterdir())


if __name__ == "__main__":
    cli.run(main)
