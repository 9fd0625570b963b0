"""What the coordinates of a file mean: their unit, the canvas, and places in a picture.

Places are float (y, x) in pixels of a picture, where pixel k spans [k, k + 1); nan is missing.
"""

import math

import numpy as np

from vdg.errors import InputError
from vdg.keypoints.formats import PERCENT, PIXELS, SIGNED, UNIT, Size

REACH = 2.0  # no person covers so few pixels; estimators place joints a little outside of 0..1
NEGATIVE = 0.12  # of all coordinates: in -1..1 heads are above 0, which alone are a fifth
TALL = 250  # pixels; a picture in which a person of 0..100 is doubtful
MANY = 4  # of this many found joints, one beyond the frame: more are another picture's
BLOCK = 64  # pixels; ControlNet's nodes pad their canvas to multiples of it


def unit_of(joints: np.ndarray) -> str:
    """The unit of the found joints (N, 2) of a file or of all frames of a motion, by their range.

    Pixels and percent cannot be told apart; see `require_no_percent`.
    """
    if not len(joints) or np.abs(joints).max() > REACH:
        return PIXELS
    return SIGNED if (joints < 0).mean() > NEGATIVE else UNIT


def require_no_percent(joints: np.ndarray, size: Size, where: str) -> None:
    """Raise InputError if pixels (N, 2) may be percent of a picture of `size` (H, W).

    They may if all lie in 0..100, and a person of half of that height would be a small one.
    """
    if not len(joints) or min(size) < TALL or joints.min() < 0 or joints.max() > 100:
        return
    if np.ptp(joints[:, 0]) > 50:
        raise InputError(
            f"{where}: all joints lie in 0..100 of a picture of {size[0]} x {size[1]} pixels "
            "(height x width): say whether they are percent with --unit percent or --unit pixels"
        )


def scaled(people: np.ndarray, unit: str, size: Size) -> np.ndarray:
    """Joints (..., 2) in a unit as pixels of a canvas of `size` (H, W)."""
    if unit == PIXELS:
        return people
    share = {UNIT: people, SIGNED: (people + 1) / 2, PERCENT: people / 100}[unit]
    return share * np.array(size)


def onto(canvas: Size, size: Size, where: str) -> np.ndarray:
    """Factors (y, x) that bring pixels of a canvas (H, W) onto a picture of `size` (H, W).

    The canvas is the picture at another scale, or that with its right and lower edges padded to
    multiples of 64 pixels, as ControlNet's nodes do. Raises InputError for another shape.
    """
    (height, width), (tall, wide) = canvas, size
    if abs(height - width * tall / wide) <= 1 or abs(width - height * wide / tall) <= 1:
        return np.array([tall / height, wide / width])
    scale = min(canvas) / min(size)
    inner = round(tall * scale), round(wide * scale)
    if tuple(math.ceil(side / BLOCK) * BLOCK for side in inner) == canvas:
        return np.array([tall / inner[0], wide / inner[1]])
    raise InputError(
        f"{where}: its canvas is {height} x {width}, which is not the shape of a picture of "
        f"{tall} x {wide} pixels (height x width): give the picture that the joints are of"
    )


def without_beyond(joints: np.ndarray, size: Size, where: str, image: str, remedy: str):
    """Places (18, 2) with those beyond a picture of `size` (H, W) missing, and how many they were.

    A joint on the far edge is in the last pixel. image, remedy: for the message. Raises InputError
    if more than one of MANY found joints are beyond.
    """
    found = ~np.isnan(joints).any(-1)
    beyond = found & ((joints < 0) | (joints > np.array(size))).any(-1)
    if beyond.sum() * MANY > found.sum():
        raise InputError(
            f"{where}: {beyond.sum()} of {found.sum()} joints lie outside {image} of {size[0]} x "
            f"{size[1]} pixels (height x width): they are of a picture of another size; {remedy}"
        )
    inside = np.minimum(joints, np.nextafter(np.array(size, float), 0))
    return np.where(beyond[:, None], np.nan, inside), int(beyond.sum())


def pixels(places: np.ndarray) -> np.ndarray:
    """Places as key points, int16 (..., 18, 2), -1 = missing. The last step: it rounds."""
    return np.where(np.isnan(places), -1, np.floor(places)).astype(np.int16)


def indices(places: np.ndarray) -> np.ndarray:
    """Places as fractional indices of pixels, -1 = missing, as `Frame.place` takes them."""
    return np.where(np.isnan(places), -1, places - 0.5)
