"""Generate more images of people in a folder, with Market-1501's names, for re-identification."""

import argparse
import functools
import itertools
import re
import sys
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from vdg import cli, estimators
from vdg.data.archive import Archive
from vdg.data.fitting import letter_box
from vdg.data.folder import Photo, annotated, listing
from vdg.data.names import parse
from vdg.errors import InputError
from vdg.estimators.movenet_joints import say_invented
from vdg.files import replacing_folder, require_outside, write_bytes
from vdg.inference import motion
from vdg.inference.outputs import jpeg, png
from vdg.inference.pose_finder import PoseFinder
from vdg.inference.transfer import PoseTransfer, model_file
from vdg.keypoints.annotations import keypoints_csv
from vdg.pose import has_torso

SEQUENCE = 0  # real ones begin at 1, so that names of generated images meet no others
ENCODERS = {"jpg": jpeg, "png": functools.partial(png, mark="vdg augment")}
# asserted by the class Market1501 of torchreid 0.2.5 and fast-reid 1.4.0, which sees *.jpg alone
# and reads one digit of the camera
HIGHEST_IDENTITY, HIGHEST_CAMERA = 1501, 6


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--model", type=model_file, default="photographs", metavar="FILE", help="or a model that "
        "comes with vdg: photographs (default), rendered")  # fmt: skip
    add(
        "--sources", type=Path, required=True, metavar="FOLDER", help="as the reader `folder` reads"
    )
    add("--keypoints", type=Path, metavar="CSV", help="of the sources; default: estimated")
    add("--pose", nargs="+", metavar="POSE", help="as of vdg generate, or folders of frames; "
        "default: those of the other people in the sources")  # fmt: skip
    add("--per-identity", type=int, default=8, metavar="N", help="default: %(default)s")
    add("--seed", type=int, default=0)
    add("--format", choices=list(ENCODERS), default="jpg", help="loaders of re-identification read "
        "JPEG alone; default: %(default)s, of quality 95")  # fmt: skip
    add("--output", type=Path, required=True, metavar="FOLDER")
    add("--device", type=cli.device, default="auto", help="auto, cpu, cuda, cuda:1, mps")
    args = parser.parse_args()
    if args.per_identity < 1 or args.seed < 0:
        parser.error("--per-identity is 1 or more, --seed 0 or more")
    table = args.output.with_name(f"{args.output.name}.csv")
    for path in (args.output, table):
        if path.exists():
            raise InputError(f"{path} exists: remove it, or choose another --output")
    require_outside(args.output, args.sources, "--sources")

    model = PoseTransfer.load(args.model, args.device)
    photos, images, joints = sources(args.sources, args.keypoints, model)
    poses = None
    if args.pose:
        finder = PoseFinder(model.size, model.device, args.output)
        poses = np.stack([finder.target(pose) for pose in motion.expanded(args.pose)])
    identities = np.array([photo.identity for photo in photos])
    random, used = np.random.default_rng(args.seed), {}
    numbers = numbered(identities)
    with replacing_folder(args.output) as new:
        for identity, number in tqdm(numbers.items(), unit="identity", disable=None):
            own = np.flatnonzero(identities == identity)
            others = joints[identities != identity] if poses is None else poses
            if not len(others):
                raise InputError(f"{args.sources} shows only {identity}: give poses with --pose")
            # no pair of image and pose twice, unless there are too few
            pairs, count = len(own) * len(others), args.per_identity
            drawn = random.choice(pairs, count, replace=pairs < count)
            chosen, targets = own[drawn // len(others)], others[drawn % len(others)]
            results = model(images[chosen], joints[chosen], targets)
            for index, (source, image) in enumerate(zip(chosen, results, strict=True)):
                camera = camera_of(photos[source])
                name = f"{number}_c{camera}s{SEQUENCE}_{index:06d}_00.{args.format}"
                (new / name).write_bytes(ENCODERS[args.format](Image.fromarray(image)))
                used[name] = targets[index]
        write_bytes(table, keypoints_csv(used, used.values()))
    print(f"{args.output}: {len(used)} images of {len(numbers)} people; key points: {table}")
    for identity, number in numbers.items():
        if identity != number:
            print(f"{number}: {identity}")
    if doubt := beyond_market1501(used):
        print(f"warning: {doubt}", file=sys.stderr)


def sources(
    root: Path, table: Path | None, model: PoseTransfer
) -> tuple[list[Photo], np.ndarray, np.ndarray]:
    """Images of a folder in the model's frame (N, H, W, 3), and their joints (N, 18, 2).

    table: key points by picture, as the reader `folder` reads them; None estimates them.

    Images without a whole torso are left out, in one line each. Raises InputError if none is left,
    if several people are found in one, and for key points that do not fit the images.
    """
    if not root.exists():
        raise InputError(f"{root} does not exist: give the folder of images as --sources")
    with Archive(root) as archive:
        photos = listing(archive)
        rows = annotated(table, archive) if table else None
        missing = np.full((18, 2), -1)
        kept, images, joints, crowded, invented = [], [], [], [], []
        for photo in tqdm(photos, desc="read", unit="image", disable=None):
            picture = archive.picture(photo.member)
            if rows is None:
                people = estimators.people(picture, model.device, invented)
                if len(people) > 1:
                    crowded.append(photo.member)
                    continue
                found = people[0] if len(people) else missing
            elif photo.member in rows:
                found = rows.joints(photo.member, (picture.height, picture.width))
            else:
                found = missing
            if not has_torso(found):
                print(f"{photo.member}: no shoulders and hips: left out", file=sys.stderr)
                continue
            image, frame = letter_box(picture, model.size)
            kept.append(photo)
            images.append(image)
            joints.append(frame.place(found))
    say_invented(invented)
    if rows is not None:
        rows.say_beyond()
    if crowded:
        shown = ", ".join(crowded[:3]) + (", ..." if crowded[3:] else "")
        raise InputError(
            f"{root}: several people were found in {len(crowded)} of {len(photos)} images ({shown})"
            ": cut each to one person, remove it, or give --keypoints"
        )
    if not kept:
        raise InputError(f"{root}: no image shows both shoulders and both hips of a person")
    return kept, np.stack(images), np.stack(joints)


def numbered(identities: Iterable[str]) -> dict[str, str]:
    """Market-1501's numbers of identities: their own, or the lowest free ones for names.

    0 is a distractor in Market-1501's names, so that a person 0000 is given another, too.

    Raises InputError for two identities of one number, such as 7 and 0007.
    """
    names = sorted(set(map(str, identities)))
    own: dict[int, str] = {}
    for name in names:
        if not re.fullmatch(r"\d{1,9}", name, re.ASCII) or not int(name):
            continue
        if int(name) in own:
            raise InputError(
                f"{own[int(name)]} and {name} are two people of the sources, but one number: "
                "rename one"
            )
        own[int(name)] = name
    numbers = {name: f"{number:04d}" for number, name in own.items()}
    free = (number for number in itertools.count(1) if number not in own)
    return {name: numbers.get(name) or f"{next(free):04d}" for name in names}


def camera_of(photo: Photo) -> int:
    """The camera that an image's name says in a data set's form; 1 for other names."""
    known = parse(photo.member.rpartition("/")[2])
    return 1 if known is None or known.camera is None else known.camera


def beyond_market1501(names: Iterable[str]) -> str:
    """Which of the written names the loaders of Market-1501 do not take: a sentence, or ""."""
    parsed = [parse(name) for name in names]
    identities = {name.identity for name in parsed if int(name.identity) > HIGHEST_IDENTITY}
    cameras = {f"{name.camera}" for name in parsed if not 1 <= name.camera <= HIGHEST_CAMERA}
    said = []
    for what, values in (("identities", identities), ("cameras", cameras)):
        if values:
            shown = sorted(values, key=int)
            said.append(f"{what} {', '.join(shown[:3])}{', ...' if shown[3:] else ''}")
    if not said:
        return ""
    return (
        f"{' and '.join(said)} are kept, but torchreid's and fast-reid's class Market1501 takes "
        f"identities up to {HIGHEST_IDENTITY} and cameras 1 to {HIGHEST_CAMERA}: "
        "docs/own-images.md shows a class that takes all"
    )
