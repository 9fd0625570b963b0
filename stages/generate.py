"""Draw the person of a picture in another pose, with a trained model."""

import argparse
import time
from pathlib import Path

import numpy as np
from PIL import Image

from vdg import cli
from vdg.data import estimator
from vdg.data.annotations import write_keypoints
from vdg.errors import InputError
from vdg.figures import grid, save_png, skeleton
from vdg.files import replacing
from vdg.transfer import (
    PoseTransfer,
    csv_row,
    letter_box,
    named_pose,
    open_picture,
    read_openpose,
    require_torso,
)

PRETRAINED = Path("pretrained/market1501-holdout-full.safetensors")
BATCH = 32
FRAME_MS = 120


def keypoints_of(text: str, size, person: int, picture=None, device=None) -> np.ndarray:
    """The key points that an argument names, in a picture of `size`.

    text: a named pose, CSV:NAME, OpenPose's JSON, or the path of a picture.
    picture: what `text` describes, for CSV and JSON with a picture's own coordinates.
    """
    path, _, row = text.rpartition(":")
    if path.endswith(".csv"):
        found, described = csv_row(Path(path), row), f"{path}, {row}"
    elif text.endswith(".json"):
        found, described = read_openpose(Path(text), person), text
    elif Path(text).suffix:
        picture, described = open_picture(Path(text)), text
        try:
            found = estimator.estimate(np.asarray(picture)[None], device)[0]
        except InputError as error:
            raise InputError(f"{text}: {error}; or give key points: --keypoints, --pose") from error
        if (found < 0).all():
            raise InputError(f"{text}: no person was found in it")
    else:
        return named_pose(text, size)
    if picture is not None:
        found = letter_box(picture, size)[1].place(found)
    require_torso(found, described)
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--model", type=Path, default=PRETRAINED, help="default: %(default)s")
    add("--source", type=Path, required=True, metavar="PICTURE", help="of one person, whole")
    add(
        "--keypoints",
        metavar="CSV:NAME|JSON",
        help="of the source, in its own pixels; without them they are estimated",
    )
    add(
        "--pose",
        nargs="+",
        default=["walk"],
        metavar="POSE",
        help="NAME or NAME@DEGREES of a bundled pose, CSV:NAME or OpenPose JSON in pixels of the "
        "model's pictures, or another picture; several give a row each",
    )
    add("--turntable", type=int, metavar="N", help="N views of the one named pose, also as GIF")
    add("--person", type=int, default=0, help="of a JSON with several people")
    add("--output", type=Path, default=Path("posed.png"), metavar="PNG")
    add("--device", default="auto")
    args = parser.parse_args()
    if args.turntable and (len(args.pose) > 1 or args.turntable < 2):
        parser.error("--turntable takes one named pose, and two views or more")
    if args.output.suffix.lower() != ".png":
        parser.error("--output is a PNG")

    model = PoseTransfer.load(args.model, args.device)
    picture = open_picture(args.source)
    given = args.keypoints or str(args.source)
    sources = keypoints_of(given, model.size, args.person, picture, model.device)
    poses = args.pose
    if args.turntable:
        turns = np.linspace(0, 360, args.turntable, endpoint=False)
        poses = [f"{args.pose[0].partition('@')[0]}@{degrees:g}" for degrees in turns]
    targets = np.stack([keypoints_of(p, model.size, 0, None, model.device) for p in poses])

    image, _ = letter_box(picture, model.size)
    images = np.repeat(image[None], len(poses), 0)
    joints = np.repeat(sources[None], len(poses), 0)
    start = time.perf_counter()
    results, coarse = (
        np.concatenate(
            [
                model(images[i : i + BATCH], joints[i : i + BATCH], targets[i : i + BATCH], first)
                for i in range(0, len(poses), BATCH)
            ]
        )
        for first in (False, True)
    )
    rate = 2 * len(poses) / (time.perf_counter() - start)

    if len(poses) == 1:
        save_png(args.output, Image.fromarray(results[0]))
    else:
        save_png(args.output, grid([list(results[i : i + 8]) for i in range(0, len(results), 8)]))
    strip = args.output.with_name(f"{args.output.stem}-strip.png")
    black = np.zeros_like(image)
    rows = [
        [image, skeleton(pose, black), first, last]
        for pose, first, last in zip(targets, coarse, results, strict=True)
    ]
    save_png(strip, grid(rows, ["source", "pose", "stage I", "result"]))
    used = args.output.with_name(f"{args.output.stem}-keypoints.csv")
    write_keypoints(used, ["source", *poses], [sources, *targets])
    written = [args.output, strip, used]
    if args.turntable:
        animation = args.output.with_suffix(".gif")
        first, *others = (Image.fromarray(frame) for frame in results)
        with replacing(animation) as path:
            first.save(path, "GIF", save_all=True, append_images=others, duration=FRAME_MS, loop=0)
        written.append(animation)
    print(f"{len(poses)} pictures on {model.device}, {rate:.0f} images/s")
    for path in written:
        print(path)


if __name__ == "__main__":
    cli.run(main)
