"""Generate more images of people in a folder, with Market-1501's names, for re-identification."""

import argparse
import re
import sys
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from vdg import cli, estimators
from vdg.data.archive import Archive
from vdg.data.fitting import letter_box, require_inside
from vdg.data.folder import Photo, listing
from vdg.errors import InputError
from vdg.files import replacing_folder, write_bytes
from vdg.inference import motion
from vdg.inference.outputs import png
from vdg.inference.pose_finder import PoseFinder
from vdg.inference.transfer import PRETRAINED, PoseTransfer
from vdg.keypoints.annotations import check_names, keypoints_csv, read_keypoints
from vdg.pose import has_torso

SEQUENCE = 0  # real ones begin at 1, so that names of generated images meet no others


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--model", type=Path, default=PRETRAINED, help="default: %(default)s")
    add(
        "--sources", type=Path, required=True, metavar="FOLDER", help="as the reader `folder` reads"
    )
    add("--keypoints", type=Path, metavar="CSV", help="of the sources; default: estimated")
    add("--pose", nargs="+", metavar="POSE", help="as of vdg generate, or folders of frames; "
        "default: those of the other people in the sources")  # fmt: skip
    add("--per-identity", type=int, default=8, metavar="N", help="default: %(default)s")
    add("--seed", type=int, default=0)
    add("--output", type=Path, required=True, metavar="FOLDER")
    add("--device", type=cli.device, default="auto", help="auto, cpu, cuda, cuda:1, mps")
    args = parser.parse_args()
    if args.per_identity < 1 or args.seed < 0:
        parser.error("--per-identity is 1 or more, --seed 0 or more")
    table = args.output.with_name(f"{args.output.name}.csv")
    for path in (args.output, table):
        if path.exists():
            raise InputError(f"{path} exists: remove it, or choose another --output")

    model = PoseTransfer.load(args.model, args.device)
    photos, images, joints = sources(args.sources, args.keypoints, model)
    poses = None
    if args.pose:
        finder = PoseFinder(model.size, model.device, args.output)
        poses = np.stack([finder.target(pose) for pose in motion.expanded(args.pose)])
    identities = np.array([photo.identity for photo in photos])
    random, used = np.random.default_rng(args.seed), {}
    with replacing_folder(args.output) as new:
        numbers = numbered(identities)
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
                name = f"{number}_c{camera}s{SEQUENCE}_{index:06d}_00.png"
                (new / name).write_bytes(png(Image.fromarray(image)))
                used[name] = targets[index]
        write_bytes(table, keypoints_csv(used, used.values()))
    print(f"{args.output}: {len(used)} images of {len(numbers)} people; key points: {table}")
    for identity, number in numbers.items():
        if identity != number:
            print(f"{number}: {identity}")


def sources(
    root: Path, table: Path | None, model: PoseTransfer
) -> tuple[list[Photo], np.ndarray, np.ndarray]:
    """Images of a folder in the model's frame (N, H, W, 3), and their joints (N, 18, 2).

    table: a CSV of key points, in pixels of the original images; None estimates them.

    Images without a whole torso are left out, in one line each. Raises InputError if none is left,
    and for key points that do not fit the images.
    """
    if not root.exists():
        raise InputError(f"{root} does not exist: give the folder of images as --sources")
    with Archive(root) as archive:
        photos = listing(archive)
        rows = read_keypoints(table) if table else None
        if rows is not None:
            check_names(rows, {photo.member for photo in photos}, f"{table}")
        missing = np.full((18, 2), -1)
        kept, images, joints = [], [], []
        for photo in tqdm(photos, desc="read", unit="image", disable=None):
            picture = archive.picture(photo.member)
            if rows is None:
                people = estimators.people(picture, model.device)
                found = next(filter(has_torso, people), missing)
            else:
                found = rows.get(photo.member, missing)
                size = (picture.height, picture.width)
                require_inside(found, size, f"{table}: {photo.member}", "its image")
            if not has_torso(found):
                print(f"{photo.member}: no shoulders and hips: left out", file=sys.stderr)
                continue
            image, frame = letter_box(picture, model.size)
            kept.append(photo)
            images.append(image)
            joints.append(frame.place(found))
    if not kept:
        raise InputError(f"{root}: no image shows both shoulders and both hips of a person")
    return kept, np.stack(images), np.stack(joints)


def numbered(identities: np.ndarray) -> dict[str, str]:
    """Market-1501's numbers of identities: their own, if all have one, or else 0001, 0002, ..."""
    names = sorted(set(identities.tolist()))
    if all(re.fullmatch(r"\d{4,}", name, re.ASCII) for name in names):
        return {name: name for name in names}
    return {name: f"{number:04d}" for number, name in enumerate(names, 1)}


def camera_of(photo: Photo) -> int:
    """The camera in a name of Market-1501's form; 1 for other names."""
    found = re.search(r"_c(\d+)s\d", photo.member)
    return int(found[1]) if found else 1
