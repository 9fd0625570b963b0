"""Score a folder of generated images of any system with the pipeline's metrics."""

import argparse
import shlex
import sys
from pathlib import Path

import numpy as np

from vdg import cli
from vdg.errors import InputError
from vdg.evaluation import image_folders
from vdg.files import write_bytes, write_json
from vdg.keypoints.annotations import read_pairs
from vdg.metrics import classifiers
from vdg.metrics.scorer import FLOOR_MASKS, Scorer, noise_floor
from vdg.report import leaderboard, tables
from vdg.runtime import select_device

DEFAULT_NAME = "scored"


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    pictures = parser.add_mutually_exclusive_group(required=True)
    pictures.add_argument("--generated", type=Path, metavar="DIR", help="generated pictures")
    pictures.add_argument(
        "--strips", type=Path, metavar="DIR", help="pictures of source | target | generated"
    )
    add("--target", type=Path, metavar="DIR", help="real pictures, of equal names")
    masks = parser.add_mutually_exclusive_group()
    masks.add_argument(
        "--masks", type=Path, metavar="DIR", help="the targets' masks, white on black"
    )
    masks.add_argument(
        "--keypoints", type=Path, metavar="CSV", help="key points to draw masks from"
    )
    add("--pairs", type=Path, metavar="CSV", help="list of pairs, whose order IS depends on")
    add(
        "--classifier",
        choices=[*classifiers.CLASSIFIERS, "none"],
        default="efficientnet-lite0",
        help="of IS and FID (default: %(default)s, an offline stand-in)",
    )
    add("--crop-width", type=int, metavar="N", help="SSIM a second time of the N middle columns")
    add("--pad-width", type=int, metavar="N", help="SSIM a second time of N columns, white outside")
    add("--device", type=cli.device, default="auto")
    add("--name", default=DEFAULT_NAME, help="of the row that is printed")
    add("--output", type=Path, metavar="DIR", help="for scores.json and scores.csv")
    add("--append", type=Path, metavar="CSV", help="leaderboard to add a row of --name to")
    args = parser.parse_args()
    if (args.generated is None) == (args.target is not None):
        parser.error("--generated goes with --target, and --strips without")
    if args.append and args.name == DEFAULT_NAME:
        parser.error("--append needs a --name for the row")
    return args


def read(args: argparse.Namespace) -> tuple[list[str], np.ndarray, np.ndarray, np.ndarray | None]:
    """Names, generated and target images, and masks, if any, all checked."""
    if args.strips:
        generated, targets = image_folders.split_strips(
            image_folders.read_folder(args.strips), args.strips
        )
    else:
        generated, targets = map(image_folders.read_folder, (args.generated, args.target))
    if args.pairs:
        targets = image_folders.in_order(targets, read_pairs(args.pairs))
    names, generated_images, target_images = image_folders.stack(generated, targets)
    width = target_images.shape[2]
    if args.crop_width is not None and not 11 <= args.crop_width <= width:
        raise InputError(
            f"--crop-width {args.crop_width}: must be from 11, SSIM's window, to the width, {width}"
        )
    if args.pad_width is not None and not width < args.pad_width <= 8192:
        raise InputError(
            f"--pad-width {args.pad_width}: must be above the width, {width}, and at most 8192"
        )
    masks = None
    if args.masks:
        masks = image_folders.read_masks(args.masks, targets)
    elif args.keypoints:
        masks = image_folders.draw_masks(args.keypoints, targets)
    if args.classifier != "none" and len(names) < 10:
        raise InputError(
            f"{len(names)} pictures are fewer than the ten splits of IS need: add some, or "
            "leave IS and FID out with --classifier none"
        )
    return names, generated_images, target_images, masks


def main():
    args = parse()
    device = select_device(args.device)
    if args.classifier != "none":
        classifiers.check_available(args.classifier)
    names, generated, targets, masks = read(args)
    digests = (leaderboard.digest(names, images) for images in (generated, targets))
    hashes = dict(zip(leaderboard.HASHES, digests, strict=True))
    if args.append:
        leaderboard.require_free(args.append, args.name, hashes)
    classifier = None
    if args.classifier != "none":
        classifier = classifiers.load(args.classifier, device)

    scorer = Scorer(targets, masks, classifier, args.crop_width, pad_width=args.pad_width)
    metrics, table = scorer(generated)
    label = classifier.name if classifier else None
    print(tables.score_table(args.name, metrics, label))
    if masks is not None:
        floor = noise_floor(masks[:FLOOR_MASKS])
        print(f"mask-SSIM begins at {floor:.3f}, noise against noise")
    if args.output:
        table.insert(0, "name", names)
        about = {"metrics": metrics, "pairs": len(names), "classifier": label}
        write_json(args.output / "scores.json", about)
        text = table.to_csv(index=False, float_format="%.6f")
        # file names may contain arbitrary bytes
        write_bytes(args.output / "scores.csv", text.encode("utf-8", "surrogateescape"))
        print(args.output / "scores.json")
    if args.append:
        command = shlex.join(["vdg", "score", *sys.argv[1:]])
        about = {"name": args.name, "pairs": len(names), "classifier": label, "command": command}
        leaderboard.append(args.append, about | hashes, metrics)
        print(args.append)
