"""Score the reference rows, a network or a variant on the pairs of a data set."""

import argparse
from pathlib import Path

from vdg import cli, evaluate
from vdg.files import read_json, replacing_folder


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dataset", required=True)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--references", action="store_true")
    what.add_argument("--network")
    what.add_argument("--variant")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()

    row = args.variant or f"stage1-{args.network}"
    kind, run = f"evaluation-{row}", f"{row}-{args.seed}"
    if args.references:
        kind = run = "references"
    config = read_json(f"configs/{args.dataset}/{kind}.json")
    data, scores = Path("data") / args.dataset, Path("scores") / args.dataset
    with replacing_folder(scores / run) as output:
        if args.references:
            evaluate.references(config, data, output)
        else:
            trained = run if args.variant else f"stage1-{args.seed}/{args.network}"
            model = Path("models") / args.dataset / trained / "model.safetensors"
            evaluate.evaluate(config, data, model, scores / "references", output)


if __name__ == "__main__":
    cli.run(main)
