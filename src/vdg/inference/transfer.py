"""Inference with a trained generator: image of a person and pose in, image in that pose out."""

import argparse
import contextlib
import math
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import numpy as np
import torch

from vdg import systems
from vdg.data.batches import from_uint8, to_uint8
from vdg.data.synthetic.render import NAMED_POSES, named_keypoints
from vdg.errors import InputError
from vdg.keypoints.annotations import read_keypoints
from vdg.pose import has_torso
from vdg.runtime import select_device

BATCH = 32  # images that pass the network at once, so that any number fits into memory


def split_azimuth(text: str) -> tuple[str, float]:
    """ "walk@90" -> ("walk", 90.0). Raises InputError for an unknown name or invalid number."""
    name, _, azimuth = text.partition("@")
    if name not in NAMED_POSES:
        raise InputError(f"unknown pose {name!r}: one of {', '.join(NAMED_POSES)}")
    try:
        degrees = float(azimuth or 0)
    except ValueError:
        degrees = math.nan
    if not math.isfinite(degrees):
        raise InputError(f"pose {text!r}: {azimuth!r} is not a number of degrees")
    return name, degrees


def named_pose(text: str, size: tuple[int, int]) -> np.ndarray:
    """Key points of a named pose, with an optional azimuth: "walk", "arms-up@90". See NAMED_POSES.

    size: (H, W) of the image. The pose stands in its middle, as high as it, or smaller where a
    person of that height would not fit into the width.

    Returns int16 (18, 2), (y, x), -1 = missing.
    """
    name, degrees = split_azimuth(text)
    height = named_height(size)
    drawn = named_keypoints(name, degrees, height)
    shift = (np.array(size) - [height, height // 2]) // 2  # its image is half as wide as high
    return np.where(drawn >= 0, drawn + shift, -1).astype(np.int16)


def named_height(size: tuple[int, int]) -> int:
    """The height of a named pose's image in an image of `size` (H, W), which is half as wide."""
    return min(size[0], 2 * size[1])


def csv_row(path: Path, name: str) -> np.ndarray:
    """Key points (18, 2) of one image in a CSV of the published format."""
    rows = read_keypoints(path)
    if name not in rows:
        raise InputError(f"{path} has no row for {name!r}")
    return rows[name]


def require_torso(keypoints: np.ndarray, what: str) -> None:
    """Raise InputError if a hip or a shoulder is missing, as never in the training data."""
    if not has_torso(keypoints):
        found = int((keypoints >= 0).all(-1).sum())
        raise InputError(
            f"{what}: {found} of 18 joints, and both shoulders and hips are needed: use a picture "
            "that shows them, or give key points of your own"
        )


def shipped_model(name: str) -> Path:
    """A model that comes with this project, of the checkout or of the installed package."""
    checkout = Path(__file__).parents[3] / "pretrained" / name
    if checkout.is_file():
        return checkout
    with contextlib.suppress(PackageNotFoundError):
        for file in distribution("vdg").files or []:
            if file.name == name:
                return Path(str(file.locate()))
    return checkout


PHOTOGRAPHS = shipped_model("market1501-holdout-warp-both.safetensors")
"""Trained on photographs, and therefore what a picture of one's own passes by default."""
RENDERED = shipped_model("rendered-warp-both.safetensors")
"""Trained on the rendered people that the pages begin with."""
SHIPPED = {"photographs": PHOTOGRAPHS, "rendered": RENDERED}


def model_file(text: str) -> Path:
    """argparse type of a model: the name of one in SHIPPED, or a file."""
    path = SHIPPED.get(text, Path(text))
    if not path.suffix and not path.exists():
        raise argparse.ArgumentTypeError(f"{text!r} is no file and none of {', '.join(SHIPPED)}")
    return path


@dataclass
class PoseTransfer:
    """A generator with its image size and metadata.

    generator: (I_a, K_a, K_b) -> I_b, in eval mode, on `device`.
    size: (H, W) of its images. meta: metadata of the model file.
    """

    generator: torch.nn.Module
    size: tuple[int, int]
    meta: dict
    device: torch.device

    @classmethod
    def load(cls, path: Path | str, device: str = "auto") -> "PoseTransfer":
        """Load a self-contained model file.

        Raises InputError for a damaged file and for an unavailable device.
        """
        chosen = select_device(device)
        generator, meta = systems.load(path, chosen)
        if "size" not in meta:
            raise InputError(f"{path} does not say the size of its pictures: train it again")
        return cls(generator, tuple(meta["size"]), meta, chosen)

    def __call__(self, images: np.ndarray, sources: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Generate the people of the images in the target poses.

        images: uint8 (N, H, W, 3), RGB, (H, W) = `size`, as returned by `letter_box`.
        sources, targets: key points (N, 18, 2) of the images and of the target poses, (y, x) in
            pixels of `images`, -1 = missing.

        Returns uint8 (N, H, W, 3). Raises InputError for other shapes.
        """
        return self.both_stages(images, sources, targets)[1]

    def both_stages(
        self, images: np.ndarray, sources: np.ndarray, targets: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """As `__call__`, but returns (coarse predictions of stage I, results)."""
        shape = (len(images), *self.size, 3)
        joints = (len(images), 18, 2)
        if images.shape != shape or sources.shape != joints or targets.shape != joints:
            raise InputError(
                f"pictures {images.shape} and key points {sources.shape}, {targets.shape}: the "
                f"model takes {shape}, {joints} and {joints}"
            )
        starts = range(0, max(len(images), 1), BATCH)  # no images are a batch, too
        parts = [[x[i : i + BATCH] for x in (images, sources, targets)] for i in starts]
        coarse, results = zip(*(self._batch(*part) for part in parts), strict=True)
        return np.concatenate(coarse), np.concatenate(results)

    @torch.inference_mode()
    def _batch(
        self, images: np.ndarray, sources: np.ndarray, targets: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """`both_stages` in one pass of the network."""
        I_a = from_uint8(torch.as_tensor(np.ascontiguousarray(images)).to(self.device))
        K_a, K_b = (torch.as_tensor(k).float().to(self.device) for k in (sources, targets))
        coarse = []  # captured by a hook, so that stage I runs only once
        stage1 = getattr(self.generator, "stage1", self.generator)
        hook = stage1.register_forward_hook(lambda *call: coarse.append(call[-1]))
        try:
            results = self.generator(I_a, K_a, K_b)
        finally:
            hook.remove()
        return to_uint8(coarse[0]), to_uint8(results)
