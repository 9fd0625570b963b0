"""Evaluate the reference rows, a network or a variant on the test pairs of a data set."""

import argparse
from pathlib import Path

from vdg import cli, layout
from vdg.code import unchanged
from vdg.errors import InputError
from vdg.evaluation import rows
from vdg.evaluation.pictures import generate_pictures
from vdg.files import read_json, replacing_folder
from vdg.settings import EvaluationConfig


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

    references, data = layout.references(args.dataset), layout.DATA / args.dataset
    if args.references:
        config = EvaluationConfig.model_validate(
            read_json(layout.config(args.dataset, "references"))
        )
        with replacing_folder(references) as output, unchanged(config.code):
            rows.references(config, data, output)
        return
    row = layout.Row.of(args)
    config = EvaluationConfig.model_validate(read_json(row.evaluation))
    if args.pictures:
        if args.pictures.exists() and not is_empty(args.pictures):
            raise InputError(f"--pictures {args.pictures}: exists: choose a new folder")
        generate_pictures(config, data, row.model, args.pictures)
        print(args.pictures)
        return
    with replacing_folder(row.scores) as output, unchanged(config.code):
        pictures = row.pictures if config.pictures else None
        rows.evaluate(config, data, row.model, references, output, pictures)


def is_empty(path: Path) -> bool:
    return path.is_dir() and not any(path.iterdir())


if __name__ == "__main__":
    cli.run(main)
