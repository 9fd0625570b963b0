"""Pose masks M. Key points and lengths are as in vdg.pose."""

import functools

import numpy as np
from scipy import ndimage
from skimage import draw

from vdg.pose import MASK_PAIRS

MASK_RADIUS = 4.0
MASK_CLOSING = 5
NEAR = 1e-6  # pixels


def pose_mask(keypoints: np.ndarray, height: int, width: int) -> np.ndarray:
    """Pose mask M in Def-GAN's form (Siarohin et al., CVPR 2018).

    A disc on every joint and a bar between the joints of each pair, closed with a square.

    keypoints: integers (18, 2), (y, x) in pixels, negative = missing. Returns bool (height, width).
    """
    scale = height / 128
    radius, closing = MASK_RADIUS * scale, max(1, round(MASK_CLOSING * scale) | 1)
    mask = np.zeros((height, width), bool)
    found = (keypoints >= 0).all(-1)
    if not found.any():
        return mask
    # all happens around the body: closing adds nothing further away than its joints' discs
    reach = int(np.ceil(radius)) + 2 * closing
    low = keypoints[found].min(0).astype(int) - reach
    shape = keypoints[found].max(0).astype(int) + reach + 1 - low
    bars = _bars(keypoints.astype(float), found, radius)
    body, on_border = _filled(bars - low, radius, *shape)
    disc = _disc(radius)
    half = len(disc) // 2
    for y, x in keypoints[found].astype(int) - low - half:
        body[y : y + len(disc), x : x + len(disc)] |= disc

    (top, left), (bottom, right) = np.maximum(low, 0), np.minimum(low + shape, (height, width))
    part = mask[top:bottom, left:right]
    part[:] = body[top - low[0] : bottom - low[0], left - low[1] : right - low[1]]
    for bar in bars[on_border]:
        mask[draw.polygon(*bar.T, mask.shape)] = True
    grown = ndimage.maximum_filter(part, closing, mode="constant", cval=False)
    part[:] = ndimage.minimum_filter(grown, closing, mode="constant", cval=True)
    return mask


@functools.cache
def _disc(radius: float) -> np.ndarray:
    """A filled disc: bool (N, N), N odd."""
    half = int(np.ceil(radius))
    disc = np.zeros((2 * half + 1, 2 * half + 1), bool)
    disc[draw.disk((half, half), radius)] = True
    return disc


def _bars(joints: np.ndarray, found: np.ndarray, radius: float) -> np.ndarray:
    """Corners (B, 4, 2), in turn, of the bars between the found joints (18, 2) of MASK_PAIRS."""
    pairs = np.array(MASK_PAIRS)
    starts, ends = joints[pairs[found[pairs].all(1)]].swapaxes(0, 1)
    along = ends - starts
    length = np.hypot(*along.T)
    starts, ends, along = (array[length > 0] for array in (starts, ends, along))
    across = along[:, ::-1] * [-1, 1] / length[length > 0][:, None] * radius
    return np.stack([starts + across, ends + across, ends - across, starts - across], 1)


def _filled(
    bars: np.ndarray, radius: float, height: int, width: int
) -> tuple[np.ndarray, np.ndarray]:
    """Fill bars, row by row, many times faster than skimage.draw.polygon: bool (height, width).

    Those of the second result, bool (B,), are left out: a side passes the centre of a pixel, and
    rounding decides whether it is inside. Masks shall be those of skimage, to the pixel. On an end
    that does not matter, because the joint's disc is drawn over it.
    """
    rows = np.arange(height, dtype=float)
    edges = np.roll(bars, -1, 1) - bars
    dy, dx = np.moveaxis(edges, 2, 0)[..., None]  # (B, 4, 1)
    # the corners go round so that inside is where dy (x - x0) <= dx (y - y0) for each edge
    right = dx * (rows - bars[..., :1])  # (B, 4, H)
    with np.errstate(divide="ignore", invalid="ignore"):
        crossing = bars[..., 1:] + right / dy
    low = np.where(dy < -NEAR, crossing, -np.inf).max(1)
    high = np.where(dy > NEAR, crossing, np.inf).min(1)
    level = np.where(np.abs(dy) < NEAR, right, np.inf).min(1)  # of horizontal edges
    inside = (low <= high + NEAR) & (level > -NEAR)

    on_border = (inside & (level < NEAR)).any(1)
    joints = (bars[:, :2] + bars[:, [3, 2]]) / 2
    for side in (low, high):
        place = np.round(side)
        bar, row = np.nonzero(inside & (np.abs(side - place) < NEAR))
        away = np.hypot(
            *np.moveaxis(joints[bar] - np.stack([row, place[bar, row]], 1)[:, None], 2, 0)
        )
        on_border[bar[away.min(1) > radius - NEAR]] = True

    first = np.maximum(np.ceil(low), 0)
    last = np.minimum(np.floor(high), width - 1)
    bar, row = np.nonzero(inside & (first <= last) & ~on_border[:, None])
    steps = np.zeros((height, width + 1), np.int16)
    np.add.at(steps, (row, first[bar, row].astype(int)), 1)
    np.add.at(steps, (row, last[bar, row].astype(int) + 1), -1)
    return np.cumsum(steps, 1, dtype=np.int16)[:, :-1] > 0, on_border
