"""Score a folder of generated images of any system with the pipeline's metrics."""

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from vdg import cli
from vdg.errors import InputError
from vdg.evaluation import image_folders, strips
from vdg.evaluation.image_folders import Pictures
from vdg.files import write_bytes, write_json
from vdg.keypoints.annotations import read_pairs
from vdg.large_arrays import CHUNK, Array, taken
from vdg.metrics import classifiers
from vdg.metrics.scorer import FLOOR_MASKS, Scorer, noise_floor
from vdg.report import leaderboard, tables
from vdg.runtime import select_device

DEFAULT_NAME = "scored"
FEWEST = 20  # images with IS: of ten splits of one image each, the score is always 1
FEW = 200
COLOURED = 3  # grey levels that red and blue differ by
EXCHANGED = 0.3  # cosine: of two images of one person in Market-1501 it is about .85


class Given(NamedTuple):
    """What is scored: N images. text: a line that says what was read."""

    names: list[str]
    generated: Array  # uint8 (N, H, W, 3)
    targets: Array  # uint8 (N, H, W, 3)
    masks: Array | None  # bool (N, H, W)
    text: str


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    pictures = parser.add_mutually_exclusive_group(required=True)
    pictures.add_argument("--generated", type=Path, metavar="DIR", help="generated pictures")
    pictures.add_argument(
        "--strips", type=Path, metavar="DIR", help="source, target, generated and more side by side"
    )
    add("--target", type=Path, metavar="DIR", help="real pictures, named as those or as the target")
    add(
        "--panels",
        type=_panels,
        metavar="N",
        help=f"of a strip: 3 or 5, or their names, as in {strips.EXAMPLE}",
    )
    masks = parser.add_mutually_exclusive_group()
    masks.add_argument(
        "--masks", type=Path, metavar="DIR", help="the targets' masks, white on black"
    )
    masks.add_argument(
        "--keypoints",
        type=Path,
        nargs="+",
        action="extend",
        metavar="CSV",
        help="key points to draw masks from",
    )
    add("--pairs", type=Path, metavar="CSV", help="list of pairs, whose order IS depends on")
    add(
        "--shuffle",
        type=int,
        metavar="SEED",
        help="the order for IS; 2020 is torch-fidelity's, of names in order",
    )
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
    if args.panels and not args.strips:
        parser.error("--panels goes with --strips")
    if args.shuffle is not None and not 0 <= args.shuffle < 2**32:
        parser.error("--shuffle: a seed is from 0 to 4294967295")
    if args.append and args.name == DEFAULT_NAME:
        parser.error("--append needs a --name for the row")
    return args


def _panels(text: str) -> int | Sequence[str]:
    try:
        return strips.parse_panels(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def read(args: argparse.Namespace) -> Given:
    """All that is scored, checked."""
    masks = image_folders.read_folder(args.masks, "L") if args.masks else None
    generated, targets, text = _read_pictures(args, masks)
    if args.pairs:
        targets = image_folders.in_order(targets, read_pairs(args.pairs))
    names, generated_images, target_images = image_folders.stack(generated, targets)
    _check_widths(args, target_images.shape[2])
    bodies = None
    if masks is not None:
        bodies = image_folders.stack_masks(masks, targets, args.masks)
    elif args.keypoints:
        bodies = image_folders.draw_masks(args.keypoints, targets)
    if args.classifier != "none" and len(names) < FEWEST:
        raise InputError(
            f"{len(names)} pictures are too few for IS and FID: with ten splits IS cannot exceed a "
            f"tenth of their number, and ten always score 1.000: give {FEWEST} or more, or leave "
            "both out with --classifier none"
        )
    if args.shuffle is not None:
        order = np.random.RandomState(args.shuffle).permutation(len(names))
        names = [names[i] for i in order]
        generated_images, target_images = (
            taken(generated_images, order),
            taken(target_images, order),
        )
        bodies = None if bodies is None else taken(bodies, order)
    return Given(names, generated_images, target_images, bodies, text)


def _read_pictures(args, masks: Pictures | None) -> tuple[Pictures, Pictures, str]:
    """Generated and target images, of equal names, and the line that says what was read."""
    if args.strips:
        size = next(iter(masks.values())).shape if masks else None
        cut = strips.split(image_folders.Folder(args.strips), args.strips, args.panels, size)
        return cut.generated, cut.targets, str(cut)
    generated, real = map(image_folders.read_folder, (args.generated, args.target))
    targets = image_folders.partners(generated, real, "generated", "target")
    height, width = next(iter(targets.values())).shape[:2]
    text = f"{len(generated)} pictures of {width} x {height}, "
    if generated.keys() == real.keys():
        return generated, targets, text + "targets of equal names"
    used = len({id(target) for target in targets.values()})
    return generated, targets, text + f"{used} of {len(real)} targets, which their names end in"


def _check_widths(args: argparse.Namespace, width: int) -> None:
    if args.crop_width is not None and not 11 <= args.crop_width <= width:
        raise InputError(
            f"--crop-width {args.crop_width}: must be from 11, SSIM's window, to the width, {width}"
        )
    if args.pad_width is not None and not width < args.pad_width <= 8192:
        raise InputError(
            f"--pad-width {args.pad_width}: must be above the width, {width}, and at most 8192"
        )


def warnings_of(args: argparse.Namespace, given: Given) -> list[str]:
    """What makes scores differ although the images look alike."""
    warnings = []
    folders = [folder for folder in (args.generated, args.strips, args.target) if folder]
    kinds = {folder: image_folders.formats(folder) for folder in folders}
    effect = "JPEG in place of PNG moved SSIM by -.03 to +.11 and FID by a fifth to a quarter"
    for folder, formats in kinds.items():
        if len(formats) > 1:
            warnings.append(f"{folder} holds JPEG and PNG files: {effect}")
    if not warnings and len(set(map(tuple, kinds.values()))) > 1:
        made, real = (next(iter(kinds[folder])) for folder in folders)
        warnings.append(f"the generated pictures are {made}, their targets {real}: {effect}")
    if channels_exchanged(given.generated, given.targets):
        warnings.append(
            "the generated pictures are reddish where their targets are bluish, and conversely: "
            "were they saved as BGR?"
        )
    if args.classifier != "none" and len(given.names) < FEW:
        warnings.append(
            f"{len(given.names)} pictures are few for IS and FID: IS cannot exceed "
            f"{len(given.names) / 10:g}, and FID is the higher the fewer there are"
        )
    return warnings


def channels_exchanged(generated: Array, targets: Array) -> bool:
    """Whether the generated images are reddish where their targets are bluish, and conversely.

    The mean red less the mean blue of each image, in grey levels, has a negative cosine with that
    of the targets. Without colours there is no answer: False.
    """
    made, real = map(_reddish, (generated, targets))
    lengths = np.linalg.norm(made) * np.linalg.norm(real)
    coloured = lengths > COLOURED**2 * len(made)
    return bool(coloured and made @ real < -EXCHANGED * lengths)


def _reddish(images: Array) -> np.ndarray:
    """The mean red less the mean blue of each image (N, H, W, 3), in grey levels: (N,)."""
    chunks = (images[i : i + CHUNK] for i in range(0, len(images), CHUNK))
    return np.concatenate([np.subtract(*part[..., [0, 2]].mean((1, 2)).T) for part in chunks])


def main():
    args = parse()
    device = select_device(args.device)
    if args.classifier != "none":
        classifiers.check_available(args.classifier)
    given = read(args)
    if args.append:
        sides = (given.generated, given.targets)
        digests = (leaderboard.digest(given.names, images) for images in sides)
        hashes = dict(zip(leaderboard.HASHES, digests, strict=True))
        leaderboard.require_free(args.append, args.name, hashes)
    print(given.text)
    for line in warnings_of(args, given):
        print(f"warning: {line}", file=sys.stderr)
    classifier = None
    if args.classifier != "none":
        classifier = classifiers.load(args.classifier, device)

    crop, pad = args.crop_width, args.pad_width
    scorer = Scorer(given.targets, given.masks, classifier, crop, pad_width=pad)
    metrics, table = scorer(given.generated)
    label = classifier.name if classifier else None
    print(tables.score_table(args.name, metrics, label))
    if split := tables.scores_by_camera(given.names, table):
        print(tables.markdown(split))
    if given.masks is not None:
        floor = noise_floor(given.masks, FLOOR_MASKS)
        print(f"mask-SSIM begins at {floor:.3f}, noise against noise")
    if args.output:
        table.insert(0, "name", given.names)
        about = {"metrics": metrics, "pairs": len(given.names), "classifier": label}
        write_json(args.output / "scores.json", about)
        text = table.to_csv(index=False, float_format="%.6f")
        # file names may contain arbitrary bytes
        write_bytes(args.output / "scores.csv", text.encode("utf-8", "surrogateescape"))
        print(args.output / "scores.json")
    if args.append:
        command = shlex.join(["vdg", "score", *sys.argv[1:]])
        about = {"name": args.name, "pairs": len(table), "classifier": label, "command": command}
        leaderboard.append(args.append, about | hashes, metrics)
        print(args.append)
