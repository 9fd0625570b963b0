"""Draw the person of a picture in another pose, with a trained model."""

import argparse
import time
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from vdg import cli
from vdg.data import estimator
from vdg.data.annotations import write_keypoints
from vdg.errors import InputError
from vdg.figures import grid, save_png, skeleton
from vdg.files import replacing
from vdg.pose import TORSO
from vdg.transfer import (
    PRETRAINED,
    PoseTransfer,
    csv_row,
    letter_box,
    named_pose,
    open_picture,
    read_openpose,
    require_torso,
)

BATCH = 32
FRAME_MS = 120


def keypoints_of(
    text: str, size, person: int | None, seen: Path, picture=None, device=None
) -> np.ndarray:
    """The key points that an argument names, in a picture of `size`.

    text: a named pose, CSV:NAME, OpenPose's JSON, or the path of a picture.
    person: of several; None where there should be one.
    seen: where to draw what was found in a picture, when that will not do.
    picture: what `text` describes, for CSV and JSON with a picture's own coordinates.
    """
    path, _, row = text.rpartition(":")
    if path.endswith(".csv"):
        found, described = csv_row(Path(path), row), f"{path}, {row}"
    elif text.endswith(".json"):
        found, described = read_openpose(Path(text), person or 0), text
    elif Path(text).suffix:
        picture, described = open_picture(Path(text)), text
        found = one_of(estimated(text, picture, device), person, picture, text, seen)
    else:
        return named_pose(text, size)
    if picture is not None:
        found = letter_box(picture, size)[1].place(found)
    require_torso(found, described)
    return found


def estimated(text: str, picture: Image.Image, device) -> np.ndarray:
    """The joints of everybody in a picture: (K, 18, 2)."""
    try:
        return estimator.people(picture, device)
    except InputError as error:
        raise InputError(f"{text}: {error}; or give key points: --keypoints, --pose") from error


def one_of(people: np.ndarray, person: int | None, picture, text: str, seen: Path) -> np.ndarray:
    """The person who is meant; raises InputError, and draws who was found, if that is not clear."""
    if not len(people):
        raise InputError(f"{text}: no person was found in it")
    chosen = 0 if person is None else person
    clear = len(people) == 1 if person is None else person < len(people)
    if clear and (people[chosen][list(TORSO)] >= 0).all():
        return people[chosen]
    shown = np.asarray(picture)
    for joints in people:
        shown = skeleton(joints, shown)
    labelled = Image.fromarray(shown)
    for number, joints in enumerate(people):
        y, x = joints[(joints >= 0).all(-1)].min(0)
        size = max(12, labelled.height // 20)
        ImageDraw.Draw(labelled).text(
            (x, y), str(number), (255, 255, 255), ImageFont.load_default(size), stroke_width=2,
            stroke_fill=(0, 0, 0),
        )  # fmt: skip
    save_png(seen, labelled)
    if clear:
        require_torso(people[chosen], f"{text} ({seen} shows what was found)")
    raise InputError(
        f"{text}: {len(people)} people were found, {seen} shows them: choose one with --person 0"
        + (f" to {len(people) - 1}" if len(people) > 1 else "")
    )


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
    add("--person", type=int, metavar="K", help="of several in the source, counted from 0")
    add("--output", type=Path, default=Path("posed.png"), metavar="PNG")
    add("--device", default="auto")
    args = parser.parse_args()
    if args.turntable and (len(args.pose) > 1 or args.turntable < 2):
        parser.error("--turntable takes one named pose, and two views or more")
    if (args.person or 0) < 0:
        parser.error("--person counts from 0")
    if args.output.suffix.lower() != ".png":
        parser.error("--output is a PNG")

    model = PoseTransfer.load(args.model, args.device)
    picture = open_picture(args.source)
    given = args.keypoints or str(args.source)
    seen = args.output.with_name(f"{args.output.stem}-people.png")
    sources = keypoints_of(given, model.size, args.person, seen, picture, model.device)
    poses = args.pose
    if args.turntable:
        turns = np.linspace(0, 360, args.turntable, endpoint=False)
        poses = [f"{args.pose[0].partition('@')[0]}@{degrees:g}" for degrees in turns]
    targets = np.stack([keypoints_of(p, model.size, None, seen, None, model.device) for p in poses])

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
