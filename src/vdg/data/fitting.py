"""Images of any size in a frame of one size: RGB, letter-boxed, with their key points."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from vdg.decoding import open_file, opened, upright
from vdg.errors import InputError


class Frame(NamedTuple):
    """Position of an image in a letter-box: scaled by `scale`, then moved by (top, left)."""

    scale: float
    top: int
    left: int

    @classmethod
    def of(cls, height: int, width: int, size: tuple[int, int]) -> "Frame":
        scale = min(size[0] / height, size[1] / width)
        inner = round(height * scale), round(width * scale)
        return cls(scale, (size[0] - inner[0]) // 2, (size[1] - inner[1]) // 2)

    def place(self, keypoints: np.ndarray) -> np.ndarray:
        """Map joints (..., 18, 2) from the image to the letter-box; missing joints stay -1.

        Joints are indices of pixels, whose centres are mapped: pixel k spans [k, k + 1). An index
        may be fractional: the image begins at -0.5.
        """
        moved = np.floor(self.exact(keypoints + 0.5))
        return np.where((keypoints > -1).all(-1, keepdims=True), moved, -1).astype(np.int16)

    def exact(self, places: np.ndarray) -> np.ndarray:
        """Map places (..., 2) without rounding: float (y, x), where pixel k spans [k, k + 1)."""
        return places * self.scale + [self.top, self.left]

    def undo(self, placed: np.ndarray) -> np.ndarray:
        """The inverse of `place`: float (..., 18, 2), fractional indices; missing joints stay -1.

        A joint beside the image gets an index outside of it.
        """
        moved = (placed + 0.5 - [self.top, self.left]) / self.scale - 0.5
        return np.where((placed >= 0).all(-1, keepdims=True), moved, -1)


def require_inside(joints: np.ndarray, size: tuple[int, int], where: str, image: str) -> None:
    """Raise InputError if joints (18, 2) lie outside an image of `size` (H, W).

    where: file and row of the joints; image: which image. Both are for the message.
    """
    if (joints >= size).any():
        raise InputError(
            f"{where} has joints outside {image} of {size[0]} x {size[1]} pixels (height x width): "
            "they are of a picture of another size; give them in pixels of this one"
        )


def open_picture(path: Path) -> Image.Image:
    """Read an image as RGB with its EXIF orientation applied; transparency becomes grey."""
    with open_file(path) as file, opened(file, str(path)) as picture:
        return as_rgb(picture, str(path))


def as_rgb(picture: Image.Image, where: str) -> Image.Image:
    """Convert an opened image as `open_picture` does; of an animation, its first image."""
    shown = upright(picture, where)
    if "A" in shown.getbands() or "transparency" in shown.info:
        layers = shown.convert("RGBA")
        ground = Image.new("RGBA", layers.size, (128, 128, 128, 255))
        shown = Image.alpha_composite(ground, layers)
    return shown.convert("RGB")


def letter_box(image: Image.Image, size: tuple[int, int]) -> tuple[np.ndarray, Frame]:
    """Resize an image to fit into `size` (height, width), with edge padding.

    Returns uint8 (height, width, 3) and the position of the image in it.
    """
    frame = Frame.of(image.height, image.width, size)
    inner = max(1, round(image.width * frame.scale)), max(1, round(image.height * frame.scale))
    pixels = np.asarray(image.resize(inner, Image.Resampling.LANCZOS))
    bottom, right = (s - e - o for s, e, o in zip(size, pixels.shape, frame[1:], strict=False))
    return np.pad(pixels, ((frame.top, bottom), (frame.left, right), (0, 0)), mode="edge"), frame
