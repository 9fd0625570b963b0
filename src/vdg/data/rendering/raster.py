"""Which part of a body each sample of a picture shows, and what it looks like there."""

import math
from typing import NamedTuple

import numpy as np

from vdg.data.rendering.geometry import BODY, WITHIN, Capsule, Quadrics, Shapes

SAMPLES = 2  # supersampling per axis
NOTHING = -1  # owner of a sample that shows the background


class Surface(NamedTuple):
    """What is visible of a body, sample by sample, sorted by body part.

    at, pixel: (N,) flat positions in the grids of samples and of pixels. normals: (3, N), camera
        space, unit length. colours: (3, N), unshaded.
    """

    at: np.ndarray
    pixel: np.ndarray
    normals: np.ndarray
    colours: np.ndarray


class Cover(NamedTuple):
    """The nearest surface of each sample: depths (H, W), -inf = background; owners (H, W), rows of
    `quadrics`, or NOTHING."""

    depths: np.ndarray
    owners: np.ndarray
    quadrics: Quadrics


def cover(shapes: Shapes, rows: np.ndarray, columns: np.ndarray) -> Cover:
    """Find the nearest surface of each sample.

    rows: descending, columns: ascending camera coordinates of the samples, both evenly spaced.
    """
    depths = np.full((len(rows), len(columns)), -np.inf)
    owners = np.full(depths.shape, NOTHING, np.int16)
    quadrics = Quadrics.of(shapes)
    down, right = _places(rows), _places(columns)
    y, x = np.vander(rows, 3, increasing=True), np.vander(columns, 3, increasing=True).T
    root, middle, place = (p @ x for p in (quadrics.root, quadrics.middle, quadrics.place))
    numbers = zip(
        quadrics.kind.tolist(),
        quadrics.leading.tolist(),
        quadrics.deeper.tolist(),
        quadrics.low.tolist(),
        quadrics.high.tolist(),
        strict=True,
    )
    with np.errstate(invalid="ignore"):  # the root of a miss is nan, which is nowhere nearest
        for number, (kind, leading, deeper, low, high) in enumerate(numbers):
            i, j = slice(*down(high[1], low[1])), slice(*right(low[0], high[0]))
            powers = y[i]
            depth = powers @ root[number, :, j]
            np.sqrt(depth, out=depth)
            depth -= powers @ middle[number, :, j]
            depth /= leading
            known = depths[i, j]
            near = depth > known
            if kind == BODY:
                t = deeper * depth
                t += powers @ place[number, :, j]
                near &= t >= 0
                near &= t <= 1
            np.copyto(known, depth, where=near)
            owners[i, j][near] = number
    return Cover(depths, owners, quadrics)


def _places(steps: np.ndarray):
    """The first and the last but one of the samples of an evenly spaced axis between two values."""
    first, step = float(steps[0]), float(steps[-1] - steps[0]) / (len(steps) - 1)
    return lambda start, stop: (
        max(0, math.ceil((start - first) / step)),
        max(0, math.floor((stop - first) / step) + 1),
    )


def surface(parts: list[Capsule], shapes: Shapes, rows, columns, covered: Cover) -> Surface:
    """Normals and colours where a body is visible."""
    owners, quadrics = covered.owners.ravel(), covered.quadrics
    at = np.flatnonzero(owners != NOTHING)
    at = at[np.argsort(owners[at], kind="stable")]
    owner = owners[at]
    i, j = np.divmod(at.astype(np.int32), np.int32(len(columns)))
    camera = np.stack([columns[j], rows[i], covered.depths.ravel()[at]])
    low, high = WITHIN[quadrics.kind].T[:, owner]
    normals, colours = np.empty((3, len(at))), np.empty((3, len(at)))
    bounds = np.searchsorted(quadrics.part[owner], np.arange(len(parts) + 1))
    for number in np.flatnonzero(np.diff(bounds)).tolist():
        n = slice(bounds[number], bounds[number + 1])
        inward, (first, last) = shapes.inward[number], shapes.radii[number].tolist()
        points = inward @ (camera[:, n] - shapes.origin[number][:, None])
        axis = float(shapes.axis[number])
        norm = axis**2 - (last - first) ** 2
        t = points[1] * (axis / norm) + first * (last - first) / norm
        t = np.minimum(np.maximum(t, low[n]), high[n])
        out = points.copy()
        out[1] -= t * axis
        np.matmul(inward.T, out, out=normals[:, n])
        wide, deep = shapes.stretch[number].tolist()
        colours[:, n] = parts[number].paint(points[0] * wide, points[1], points[2] * deep)
    normals /= np.sqrt(normals[0] ** 2 + normals[1] ** 2 + normals[2] ** 2) + 1e-9
    pixel = (i // SAMPLES) * (len(columns) // SAMPLES) + j // SAMPLES
    return Surface(at, pixel, normals, colours)


def pooled(samples: np.ndarray) -> np.ndarray:
    """Means of the samples of each pixel: (H * SAMPLES, W * SAMPLES, ...) to (H, W, ...)."""
    steps = range(SAMPLES)
    return sum(samples[i::SAMPLES, j::SAMPLES] for i in steps for j in steps) / SAMPLES**2
