"""Score the test pairs: of the reference rows, of a stage I (--network) or of a --variant."""

import argparse
import shutil
from pathlib import Path

from vdg import cli, evaluation
from vdg.files import read_json


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dataset", required=True)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--references", action="store_true")
    what.add_argument("--network")
    what.add_argument("--variant")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()

    config = read_json(f"configs/{args.dataset}/evaluation.json")
    data, scores = Path("data") / args.dataset, Path("scores") / args.dataset
    row = args.variant or f"stage1-{args.network}"
    run = "references" if args.references else f"{row}-{args.seed}"
    shutil.rmtree(scores / run, ignore_errors=True)
    if args.references:
        evaluation.references(config, data, scores / run)
    else:
        trained = run if args.variant else f"stage1-{args.seed}/{args.network}"
        model = Path("models") / args.dataset / trained / "model.safetensors"
        evaluation.evaluate(config, data, model, scores / "references", scores / run)


if __name__ == "__main__":
    cli.run(main)
