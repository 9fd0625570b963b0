"""Which part of a body each sample of a picture shows, and what it looks like there."""

import math
from typing import NamedTuple

import numpy as np

from vdg.data.rendering.geometry import BODY, WITHIN, Capsule, Quadrics, Shapes

SAMPLES = 2  # supersampling per axis
NOTHING = -1  # owner of a sample that shows the background


class Surface(NamedTuple):
    """What is visible of a body, sample by sample, sorted by body part.

    at: (N,) flat positions in the grid of samples. normals: (3, N), camera space, unit length.
    colours: (N, 3), unshaded.
    """

    at: np.ndarray
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
    origins = shapes.origin[quadrics.part]
    down, right = _places(rows), _places(columns)
    with np.errstate(invalid="ignore"):  # the root of a miss is nan, which is nowhere nearest
        for number, (kind, leading, middle, root, place, low, high, origin) in enumerate(
            zip(*(values.tolist() for values in (*quadrics[1:], origins)), strict=True)
        ):
            i, j = slice(*down(high[1], low[1])), slice(*right(low[0], high[0]))
            y, x = (rows[i] - origin[1])[:, None], columns[j] - origin[0]
            depth = (root[3] * x + root[1]) * x + ((root[5] * y + root[2]) * y + root[0])
            depth += (root[4] * y) * x
            np.sqrt(depth, out=depth)
            depth -= middle[1] * x + (middle[2] * y + middle[0])
            depth /= leading
            depth += origin[2]
            known = depths[i, j]
            near = depth > known
            if kind == BODY:
                t = place[3] * depth
                t += place[1] * x + (place[2] * y + (place[0] - place[3] * origin[2]))
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
    owners = covered.owners.ravel()
    at = np.flatnonzero(owners != NOTHING)
    order = np.argsort(owners[at], kind="stable")
    at = at[order]
    quadric = owners[at]
    owner = covered.quadrics.part[quadric]
    i, j = np.divmod(at, len(columns))
    origin = shapes.origin.T[:, owner]
    camera = (columns[j] - origin[0], rows[i] - origin[1], covered.depths.ravel()[at] - origin[2])

    inward = shapes.inward.transpose(1, 2, 0)[:, :, owner]
    x, y, z = (row[0] * camera[0] + row[1] * camera[1] + row[2] * camera[2] for row in inward)
    axis, (first, last) = shapes.axis, shapes.radii.T
    slope = last - first
    norm = axis**2 - slope**2
    low, high = WITHIN[covered.quadrics.kind].T
    t = np.clip(
        y * (axis / norm)[owner] + (first * slope / norm)[owner], low[quadric], high[quadric]
    )
    out = (x, y - t * axis[owner], z)
    normals = np.stack([a * out[0] + b * out[1] + c * out[2] for a, b, c in inward.swapaxes(0, 1)])
    normals /= np.sqrt(normals[0] ** 2 + normals[1] ** 2 + normals[2] ** 2) + 1e-9

    stretch = shapes.stretch.T[:, owner]
    points = np.stack([x * stretch[0], y, z * stretch[1]])
    colours = np.empty((len(at), 3))
    bounds = np.searchsorted(owner, np.arange(len(parts) + 1))
    for number in np.flatnonzero(np.diff(bounds)):
        part = slice(bounds[number], bounds[number + 1])
        colours[part] = parts[number].paint(*points[:, part])
    return Surface(at, normals, colours)


def pooled(samples: np.ndarray) -> np.ndarray:
    """Means of the samples of each pixel: (H * SAMPLES, W * SAMPLES, ...) to (H, W, ...)."""
    steps = range(SAMPLES)
    return sum(samples[i::SAMPLES, j::SAMPLES] for i in steps for j in steps) / SAMPLES**2
