"""Convert key points of any tool, or of pictures by the estimator, and draw them to check."""

import argparse
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from vdg import cli, estimators
from vdg.commands.options import add_reading, reading_options
from vdg.data.fitting import open_picture
from vdg.data.folder import SUFFIXES
from vdg.drawing import skeleton
from vdg.errors import InputError
from vdg.estimators.movenet_joints import say_invented
from vdg.files import replacing_folder, write_all
from vdg.inference import motion
from vdg.inference.outputs import png
from vdg.keypoints import reading, units, writing
from vdg.keypoints.formats import PIXELS
from vdg.keypoints.reading import KeypointFile, Options, Shot
from vdg.keypoints.writing import Posed
from vdg.runtime import select_device

SHOWN = 64  # pictures of an overlay, the first ones


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("files", nargs="+", metavar="FILE", help="of key points, pictures, or folders of either")
    add("--to", choices=("csv", "openpose", "coco"), default="csv", help="default: %(default)s")
    add("--output", type=Path, required=True, metavar="PATH", help="a file; for openpose and "
        "several pictures a new folder")  # fmt: skip
    add("--pictures", type=Path, metavar="DIR", help="the pictures that the files are of, by name: "
        "gives their sizes, and the overlay shows them")  # fmt: skip
    add("--person", type=int, metavar="K", help="of several in a picture, counted from 0")
    add("--overlay", type=Path, metavar="PNG", help="draw the joints over the first pictures")
    add("--device", type=cli.device, default="auto", help="of the estimator")
    add_reading(parser, "--size")
    args = parser.parse_args()
    if (args.person or 0) < 0:
        parser.error("--person counts from 0")
    if args.overlay and args.overlay.suffix.lower() != ".png":
        parser.error("--overlay is a PNG")
    for path in filter(None, (args.output, args.overlay)):
        if path.exists():
            raise InputError(f"{path} exists: remove it, or choose another place")

    known = {} if args.pictures is None else _pictures(args.pictures)
    pictures = list(_read(args, known))
    if not pictures:
        raise InputError(f"{args.files[0]}: no picture is in it")
    for name, count in Counter(picture.name for picture in pictures).items():
        if count > 1:
            raise InputError(f"{name} is given {count} times: leave the others out")
    if args.person is not None:
        pictures = [_only(picture, args.person) for picture in pictures]
    written = {} if args.overlay is None else {args.overlay: _overlay(pictures, known)}
    if args.to == "openpose" and len(pictures) > 1:
        with replacing_folder(args.output) as new:
            for name, picture in zip(writing.openpose_names(pictures), pictures, strict=True):
                (new / name).write_bytes(writing.openpose(picture))
            write_all(written)
    else:
        convert = {"csv": writing.csv, "coco": writing.coco}
        content = writing.openpose(pictures[0]) if args.to == "openpose" else None
        write_all(written | {args.output: content or convert[args.to](pictures)})
    people = sum(len(picture.people) for picture in pictures)
    print(f"{args.output}: {people} people in {len(pictures)} pictures")
    for path in written:
        print(path)


def _pictures(folder: Path) -> dict[str, Path]:
    """The pictures of a folder by their path in it."""
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder of pictures")
    files = (path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    return {path.relative_to(folder).as_posix(): path for path in files}


def _read(args: argparse.Namespace, known: dict[str, Path]) -> Iterator[Posed]:
    """The pictures of all files in order; `known` is added to where a file is a picture."""
    options, device = reading_options(args), None
    invented: list[int] = []  # joints of each picture
    files = [Path(text) for text in motion.expanded(args.files)]
    read = {path: reading.read(path, options) for path in files if reading.is_keypoints(path)}
    several = [file for file in read.values() if len(read) > 1]
    if several:
        reading.share_unit(several)
    for path in files:
        if path in read:
            file = read[path]
            reading.say([file.about()])
            for shot in file.shots:
                yield _posed(file, shot, len(file.shots) == 1, known, options)
            reading.say(file.notes)
        else:
            picture = open_picture(path)
            device = device or select_device(args.device)
            found = estimators.people(picture, device, invented)
            known[path.name] = path
            people = np.where(found >= 0, found + 0.5, np.nan)
            yield Posed(path.name, (picture.height, picture.width), people)
    say_invented(invented)


def _posed(
    file: KeypointFile, shot: Shot, alone: bool, known: dict[str, Path], options: Options
) -> Posed:
    """A picture of a key-point file. Its size is that of the picture itself, of --size, or of the
    file's canvas. Raises InputError where coordinates need a size and there is none."""
    name = shot.name if shot.name is not None else _name_of(file, shot, alone, known)
    size = options.size or shot.size
    if (path := _match(name, known)) is not None:
        name, picture = path, open_picture(known[path])
        size = picture.height, picture.width
    if size is None:
        if file.unit != PIXELS:
            raise InputError(
                f"{file.path} is in {file.unit}, and no size is known: give it with --size HxW, or "
                "the pictures with --pictures"
            )
        return Posed(name, None, shot.people)
    image, remedy = "its picture", "give its size with --size HxW"
    people = [reading.placed(file, shot, joints, size, image, remedy) for joints in shot.people]
    return Posed(name, size, np.array(people).reshape(-1, 18, 2))


def _name_of(file: KeypointFile, shot: Shot, alone: bool, known: dict[str, Path]) -> str:
    """The name of a picture that its file does not say: that of the file, and a number."""
    stem = reading.without_ending(file.path.name)
    if alone:
        return stem
    number = next(i for i, other in enumerate(file.shots) if other is shot)
    return f"{stem}-{number:04d}"


def _match(name: str, known: dict[str, Path]) -> str | None:
    """The path of a picture of that name in `known`, whatever its suffix; None without one."""
    if name in known:
        return name
    bare = reading.without_ending(name)
    alike = [path for path in known if reading.without_ending(path) == bare]
    alike = alike or [path for path in known if reading.without_ending(Path(path).name) == bare]
    return alike[0] if len(alike) == 1 else None


def _only(picture: Posed, person: int) -> Posed:
    if len(picture.people) and person >= len(picture.people):
        raise InputError(
            f"--person {person}: {picture.name} shows {len(picture.people)} people, counted from 0"
        )
    return Posed(picture.name, picture.size, picture.people[person : person + 1])


def _overlay(pictures: list[Posed], known: dict[str, Path]) -> bytes:
    """The skeletons of the first pictures over them, or over grey, side by side, as PNG."""
    shown = []
    for picture in pictures[:SHOWN]:
        if picture.name in known:
            canvas = np.asarray(open_picture(known[picture.name]))
        else:
            found = reading.found_joints([picture.people])
            high = found.max(0) * 1.05 + 1 if len(found) else np.array([64, 64])
            canvas = np.full((*(picture.size or np.ceil(high).astype(int)), 3), 96, np.uint8)
        for joints in picture.people:
            canvas = skeleton(units.pixels(joints), canvas)
        shown.append(Image.fromarray(canvas))
    side = 512 if len(shown) > 1 else 1024
    columns = min(len(shown), 8)
    if len(shown) == 1 and max(shown[0].size) <= side:
        return png(shown[0], "vdg keypoints")
    sheet = Image.new("RGB", (columns * side, -(-len(shown) // columns) * side))
    for index, image in enumerate(shown):
        image.thumbnail((side, side))
        sheet.paste(image, (index % columns * side, index // columns * side))
    return png(sheet, "vdg keypoints")
