"""Which part of a body each sample of a picture shows, and what it looks like there."""

from typing import NamedTuple

import numpy as np

from vdg.data.rendering.geometry import Capsule, Quadric

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
    """The nearest surface of each sample.

    depths: (H, W), -inf = background. owners: (H, W), numbers of quadrics, or NOTHING.
    part, within: of each quadric, the number of its body part and its place along it.
    """

    depths: np.ndarray
    owners: np.ndarray
    part: np.ndarray
    within: np.ndarray


def cover(parts: list[Capsule], rows: np.ndarray, columns: np.ndarray) -> Cover:
    """Find the nearest surface of each sample.

    rows: descending, columns: ascending camera coordinates of the samples, both evenly spaced.
    """
    depths = np.full((len(rows), len(columns)), -np.inf)
    owners = np.full(depths.shape, NOTHING, np.int16)
    part, within = [], []
    with np.errstate(invalid="ignore"):  # the root of a miss is nan, which is nowhere nearest
        for number, capsule in enumerate(parts):
            for quadric in capsule.quadrics():
                _meet(quadric, capsule.origin, len(part), rows, columns, depths, owners)
                part.append(number)
                within.append(quadric.within)
    return Cover(depths, owners, np.array(part), np.array(within))


def _meet(quadric: Quadric, origin, number, rows, columns, depths, owners) -> None:
    """Enter one quadric into `depths` and `owners` where it is nearest."""
    i = _between(rows, quadric.high[1], quadric.low[1])
    j = _between(columns, quadric.low[0], quadric.high[0])
    y, x = (rows[i] - origin[1])[:, None], columns[j] - origin[0]
    one, by_x, by_y, by_xx, by_xy, by_yy = quadric.root
    depth = (by_xx * x + by_x) * x + ((by_yy * y + by_y) * y + one)
    depth += (by_xy * y) * x
    np.sqrt(depth, out=depth)
    one, by_x, by_y = quadric.middle
    depth -= by_x * x + (by_y * y + one)
    depth /= quadric.leading
    known = depths[i, j]
    near = depth + origin[2] > known
    if quadric.place is not None:
        one, by_x, by_y = quadric.place
        t = quadric.place_depth * depth
        t += by_x * x + (by_y * y + one)
        near &= t >= 0
        near &= t <= 1
    np.copyto(known, depth + origin[2], where=near)
    np.copyto(owners[i, j], number, where=near, casting="unsafe")


def _between(steps: np.ndarray, start: float, stop: float) -> slice:
    """The samples of an evenly spaced axis that lie from `start` to `stop`."""
    step = (steps[-1] - steps[0]) / (len(steps) - 1)
    first, last = (start - steps[0]) / step, (stop - steps[0]) / step
    return slice(max(0, int(np.ceil(first))), max(0, int(last) + 1))


def surface(parts: list[Capsule], rows, columns, covered: Cover) -> Surface:
    """Normals and colours where a body is visible."""
    owners = covered.owners.ravel()
    at = np.flatnonzero(owners != NOTHING)
    order = np.argsort(owners[at], kind="stable")
    at = at[order]
    low, high = covered.within[owners[at]].T
    owner = covered.part[owners[at]]
    i, j = np.divmod(at, len(columns))
    camera = np.stack([columns[j], rows[i], covered.depths.ravel()[at]])
    camera -= np.array([part.origin for part in parts]).T[:, owner]

    inward = np.array([part.inward for part in parts])[owner]
    points = np.einsum("nij,jn->in", inward, camera)  # in the frame in which the part is round
    axis = np.array([-part.length for part in parts])
    first, last = np.array([part.radii for part in parts]).T
    u = points[1] * axis[owner] + (first * (last - first))[owner]
    t = np.clip(u / (axis**2 - (last - first) ** 2)[owner], low, high)
    normals = points.copy()
    normals[1] -= t * axis[owner]
    normals = np.einsum("nij,in->jn", inward, normals)
    normals /= np.sqrt(np.einsum("in,in->n", normals, normals)) + 1e-9

    stretch = np.array([part.stretch for part in parts]).T[:, owner]
    points[0] *= stretch[0]
    points[2] *= stretch[1]
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
