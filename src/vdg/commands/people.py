"""Write rendered people to a folder, one folder per identity, as people of one's own would lie."""

import argparse
from pathlib import Path

from PIL import Image

from vdg.data.rendered.render import render as rendered
from vdg.data.synthetic.render import render as synthetic
from vdg.errors import InputError
from vdg.files import replacing_folder, write_bytes
from vdg.inference.outputs import png
from vdg.keypoints.annotations import keypoints_csv

FIRST = 3001  # identities beyond the training people of both data sets
RENDERERS = {"synthetic": synthetic, "rendered": rendered}  # by data set


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--output", type=Path, default=Path("raw/people"), metavar="FOLDER")
    add("--identities", type=int, default=40, help="default: %(default)s")
    add("--views", type=int, default=8, help="images of each identity; default: %(default)s")
    add("--height", type=int, default=192, help="pixels, twice the width; default: %(default)s")
    add("--like", choices=list(RENDERERS), default="synthetic", help="the data set whose people "
        "they resemble; default: %(default)s")  # fmt: skip
    args = parser.parse_args()
    if min(args.identities, args.views) < 1 or args.height < 32 or args.height % 4:
        parser.error("--identities and --views are 1 or more, --height a multiple of 4 from 32")
    table = args.output.with_name(f"{args.output.name}.csv")
    for path in (args.output, table):
        if path.exists():
            raise InputError(f"{path} exists: remove it, or choose another --output")

    draw, keypoints = RENDERERS[args.like], {}
    with replacing_folder(args.output) as new:
        for identity in range(FIRST, FIRST + args.identities):
            (new / f"{identity}").mkdir()
            for view in range(args.views):
                picture = draw(identity, view, args.height, 0)
                name = f"{identity}/{view:02d}.png"
                (new / name).write_bytes(png(Image.fromarray(picture.image), "vdg people"))
                keypoints[name] = picture.keypoints
        write_bytes(table, keypoints_csv(keypoints, keypoints.values()))
    print(f"{args.output}: {args.identities} people, {args.views} images each; key points: {table}")
