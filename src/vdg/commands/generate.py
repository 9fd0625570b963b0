"""Generate the person of an image in another pose, or in the poses of a motion, with a model."""

import argparse
import time
from pathlib import Path

import numpy as np
from PIL import Image

from vdg import cli
from vdg.commands.options import add_reading, reading_options
from vdg.data.fitting import letter_box, open_picture
from vdg.drawing import grid, skeleton
from vdg.files import replacing_folder, write_all
from vdg.inference import motion, outputs
from vdg.inference.pose_finder import PoseFinder
from vdg.inference.transfer import PoseTransfer, model_file, split_azimuth
from vdg.keypoints.annotations import keypoints_csv

ROWS = 8  # of the strip of a motion
MOST_VIEWS = 360  # of a turntable, one per degree


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--model", type=model_file, default="photographs", metavar="FILE", help="or a model that "
        "comes with vdg: photographs (default), rendered")  # fmt: skip
    add("--source", type=Path, required=True, metavar="PICTURE", help="of one person, whole")
    add(
        "--keypoints",
        metavar="FILE[:NAME]",
        help="of the source, a file of any tool (docs/keypoints.md), in the source's pixels or on "
        "a canvas that the file names; without them they are estimated",
    )
    add(
        "--pose",
        nargs="+",
        default=["walk"],
        metavar="POSE",
        help="NAME or NAME@DEGREES of a bundled pose, a file of key points, FILE or FILE:NAME, or "
        "another picture; FILE:K and PICTURE:K are the K-th person, counted from 0; several poses "
        "give a row each. Key points are in pixels of --pose-size, of the canvas that the file "
        "names, or else of the model's pictures",
    )
    add(
        "--motion",
        action="store_true",
        help="the poses are a motion's frames, files of key points or images in natural order, "
        "or a folder of them (then --motion is implied): also writes numbered images and a GIF",
    )
    add("--smooth", action="store_true", help="smooth a motion, and close gaps of up to 3 frames")
    add("--fit", action="store_true", help="scale a motion of any size into the model's images")
    add("--turntable", type=int, metavar="N", help="N views of the one named pose, also as GIF")
    add("--person", type=int, metavar="K", help="of several in the source, counted from 0")
    add("--output", type=Path, default=Path("posed.png"), metavar="PNG")
    add("--device", type=cli.device, default="auto", help="auto, cpu, cuda, cuda:1, mps")
    add_reading(parser)
    args = parser.parse_args()
    if args.turntable is not None and (len(args.pose) > 1 or args.turntable < 2):
        parser.error("--turntable takes one named pose, and two views or more")
    if (args.turntable or 0) > MOST_VIEWS:
        parser.error(f"--turntable takes at most {MOST_VIEWS} views, one per degree")
    if (args.person or 0) < 0:
        parser.error("--person counts from 0")
    if args.output.suffix.lower() != ".png":
        parser.error("--output is a PNG")
    poses = args.pose
    moving = args.motion or args.smooth or args.fit or any(Path(p).is_dir() for p in poses if p)
    if moving and args.turntable:
        parser.error("--turntable turns a named pose: leave out --motion, --smooth and --fit")
    if moving:
        poses = motion.frames(poses)
    if args.turntable:
        name, start = split_azimuth(args.pose[0])
        turns = np.linspace(start, start + 360, args.turntable, endpoint=False) % 360
        poses = [f"{name}@{degrees:g}" for degrees in turns]

    ends = [outputs.STRIP, outputs.KEYPOINTS, *outputs.PEOPLE]
    ends += [outputs.ANIMATION] if args.turntable or moving else []
    ends += [outputs.FRAMES] if moving else []
    files = [args.output, *(outputs.beside(args.output, end) for end in ends)]
    outputs.require_replaceable(files, [str(args.source), args.keypoints or "", *poses])
    model = PoseTransfer.load(args.model, args.device)
    picture = open_picture(args.source)
    finder = PoseFinder(model.size, model.device, args.output, reading_options(args))
    source = finder.source(args.source, picture, args.keypoints, args.person)
    if moving:
        poses, targets = finder.motion(poses, args.smooth, args.fit)
    else:
        targets = np.stack([finder.target(pose) for pose in poses])

    image, _ = letter_box(picture, model.size)
    images = np.repeat(image[None], len(poses), 0)
    sources = np.repeat(source[None], len(poses), 0)
    start = time.perf_counter()
    coarse, results = model.both_stages(images, sources, targets)
    rate = len(poses) / (time.perf_counter() - start)

    shown = Image.fromarray(results[0])
    if len(poses) > 1:
        shown = grid([list(results[i : i + 8]) for i in range(0, len(results), 8)])
    black = np.zeros_like(image)
    shown_poses = range(len(poses))
    if moving:
        shown_poses = np.linspace(0, len(poses) - 1, min(len(poses), ROWS)).astype(int)
    rows = [[image, skeleton(targets[i], black), coarse[i], results[i]] for i in shown_poses]
    strip = grid(rows, ["source", "pose", "stage I", "result"])
    # unique names without colons, which separate the columns
    names = [f"{i}-{Path(pose).name.replace(':', '-')}" for i, pose in enumerate(poses)]
    used = keypoints_csv([outputs.SOURCE, *names], [source, *targets])
    written = {
        args.output: outputs.png(shown),
        outputs.beside(args.output, outputs.STRIP): outputs.png(strip),
        outputs.beside(args.output, outputs.KEYPOINTS): used,
    }
    if args.turntable or moving:
        written[outputs.beside(args.output, outputs.ANIMATION)] = outputs.gif(results)
    if moving:
        folder = outputs.beside(args.output, outputs.FRAMES)
        with replacing_folder(folder) as new:
            for number, frame in enumerate(results):
                (new / f"{number:04d}.png").write_bytes(outputs.png(Image.fromarray(frame)))
            write_all(written)
        print(f"{folder}: {len(results)} images")
    else:
        write_all(written)
    print(f"{len(poses)} pictures on {model.device}, {rate:.0f} images/s")
    for path in written:
        print(path)
