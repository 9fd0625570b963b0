"""Score a folder of generated images of any system with the pipeline's metrics."""

import argparse
from pathlib import Path

from vdg import cli, evaluate
from vdg.data import folders
from vdg.errors import InputError
from vdg.files import write_bytes, write_json
from vdg.metrics import classifiers
from vdg.report import tables
from vdg.runtime import select_device


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    pictures = parser.add_mutually_exclusive_group(required=True)
    pictures.add_argument("--generated", type=Path, metavar="DIR", help="generated pictures")
    pictures.add_argument(
        "--strips", type=Path, metavar="DIR", help="pictures of source | target | generated"
    )
    parser.add_argument("--target", type=Path, metavar="DIR", help="real pictures, of equal names")
    masks = parser.add_mutually_exclusive_group()
    masks.add_argument(
        "--masks", type=Path, metavar="DIR", help="the targets' masks, white on black"
    )
    masks.add_argument(
        "--keypoints", type=Path, metavar="CSV", help="key points to draw masks from"
    )
    parser.add_argument(
        "--classifier",
        choices=[*classifiers.CLASSIFIERS, "none"],
        default="efficientnet-lite0",
        help="of IS and FID (default: %(default)s, an offline stand-in)",
    )
    parser.add_argument(
        "--crop-width", type=int, metavar="N", help="SSIM a second time of the N middle columns"
    )
    parser.add_argument("--device", type=cli.device, default="auto")
    parser.add_argument("--name", default="scored", help="of the row that is printed")
    parser.add_argument("--output", type=Path, metavar="DIR", help="for scores.json and scores.csv")
    args = parser.parse_args()
    if (args.generated is None) == (args.target is not None):
        parser.error("--generated goes with --target, and --strips without")

    device = select_device(args.device)
    classifier = None
    if args.classifier != "none":
        classifiers.check_available(args.classifier)
    if args.strips:
        generated, targets = folders.split_strips(folders.read_folder(args.strips), args.strips)
    else:
        generated, targets = map(folders.read_folder, (args.generated, args.target))
    names, generated_images, target_images = folders.stack(generated, targets)
    width = target_images.shape[2]
    if args.crop_width is not None and not 11 <= args.crop_width <= width:
        raise InputError(
            f"--crop-width {args.crop_width}: must be from 11, SSIM's window, to the width, {width}"
        )
    drawn = None
    if args.masks:
        drawn = folders.read_masks(args.masks, targets)
    elif args.keypoints:
        drawn = folders.draw_masks(args.keypoints, targets)
    if args.classifier != "none":
        if len(names) < 10:
            raise InputError(
                f"{len(names)} pictures are fewer than the ten splits of IS need: add some, or "
                "leave IS and FID out with --classifier none"
            )
        classifier = classifiers.load(args.classifier, device)

    scorer = evaluate.Scorer(target_images, drawn, classifier, args.crop_width)
    metrics, table = scorer(generated_images)
    label = classifier.name if classifier else None
    print(tables.score_table(args.name, metrics, label))
    if drawn is not None:
        floor = evaluate.noise_floor(drawn[: evaluate.FLOOR_MASKS])
        print(f"mask-SSIM begins at {floor:.3f}, noise against noise")
    if args.output:
        table.insert(0, "name", names)
        about = {"metrics": metrics, "pairs": len(names), "classifier": label}
        write_json(args.output / "scores.json", about)
        text = table.to_csv(index=False, float_format="%.6f")
        # file names may contain arbitrary bytes
        write_bytes(args.output / "scores.csv", text.encode("utf-8", "surrogateescape"))
        print(args.output / "scores.json")


if __name__ == "__main__":
    cli.run(main)
