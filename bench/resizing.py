"""How much the filter that makes high-resolution images smaller changes SSIM and FID.

Run as `python -m bench.resizing`, for rendered people of 1024 x 512 made four times smaller, or
with `--archive img.zip`, for DeepFashion's images. Each filter is compared with bicubic, by which
NTED and PIDM resize img_highres; `copy` is the SSIM of an image with the one before it of the same
identity, both by the filter. "nearest" and "bilinear, no averaging" are what torch's and OpenCV's
default settings do.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from vdg import cli
from vdg.data.archive import RESIZERS, Archive
from vdg.data.deepfashion import flat_name
from vdg.data.synthetic.render import render
from vdg.metrics import classifiers
from vdg.metrics.scorer import Scorer
from vdg.metrics.ssim import ssim

FACTOR = 4  # about 1101 : 256
IDENTITIES, VIEWS, HEIGHT = 30, 4, 1024


def rendered() -> tuple[list[str], list[np.ndarray]]:
    """Identities and images, uint8 (H, W, 3), of the embedded renderer."""
    places = [(who, view) for who in range(IDENTITIES) for view in range(VIEWS)]
    return [f"{who}" for who, _ in places], [render(*place, HEIGHT, 0).image for place in places]


def photographs(path: Path) -> tuple[list[str], list[np.ndarray]]:
    """Outfits and images of DeepFashion."""
    with Archive(path) as archive:
        names = {member: flat_name(member) for member in archive.members if flat_name(member)}
        images = [np.asarray(archive.picture(member)) for member in names]
    return [name.rpartition("_")[0] for name in names.values()], images


def smaller(image: np.ndarray, name: str) -> np.ndarray:
    """An image FACTOR times smaller by a filter's name."""
    height, width = (side // FACTOR for side in image.shape[:2])
    if name in RESIZERS:
        return np.asarray(Image.fromarray(image).resize((width, height), RESIZERS[name]))
    if name == "nearest":
        return np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.NEAREST))
    x = torch.tensor(image).permute(2, 0, 1)[None].float()
    x = torch.nn.functional.interpolate(x, (height, width), mode="bilinear", align_corners=False)
    return x[0].permute(1, 2, 0).round().byte().numpy()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--archive", type=Path)
    archive = parser.parse_args().archive
    identities, images = photographs(archive) if archive else rendered()
    names = [*RESIZERS, "bilinear, no averaging", "nearest"]
    sets = {name: np.stack([smaller(image, name) for image in images]) for name in names}
    following = [i for i in range(1, len(images)) if identities[i] == identities[i - 1]]
    previous = [i - 1 for i in following]
    scorer = Scorer(sets["bicubic"], None, classifiers.load("efficientnet-lite0"))
    print(f"{len(images)} images of {sets['bicubic'].shape[1]} x {sets['bicubic'].shape[2]}")
    print("| filter | SSIM | FID (EfficientNet-Lite0) | sharpness | copy: SSIM |")
    print("|---|---|---|---|---|")
    for name, made in sets.items():
        metrics, _ = scorer(made)
        x = torch.from_numpy(made).permute(0, 3, 1, 2)
        copied = ssim(x[previous], x[following]).mean()
        scores = [f"{metrics[key]:.3f}" for key in ("ssim", "fid_efficientnet_lite0", "sharpness")]
        print("|", " | ".join([name, *scores, f"{copied:.4f}"]), "|")


if __name__ == "__main__":
    cli.run(main)
