"""Tapered capsules, and where rays meet them."""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

BODY, START, END = 0, 1, 2  # the surfaces of a capsule
WITHIN = np.array([[0, 1], [0, 0], [1, 1]])  # where along the capsule each surface lies, 0 to 1


class Capsule(NamedTuple):
    """The hull of two spheres, stretched along x and z: a tapered limb of elliptic section.

    ends: whether the spheres at the start and at the end are drawn. Leave out those that are open
        or lie inside another part.
    """

    origin: np.ndarray
    axes: np.ndarray  # (3, 3), columns are the x, y, z axes of the body part's frame
    length: float
    radii: tuple[float, float]
    paint: Callable  # surface points (x, y, z) in the body part's frame -> colours (3, N)
    stretch: tuple[float, float] = (1.0, 1.0)
    ends: tuple[bool, bool] = (True, True)


class Shapes:
    """The shapes of P capsules, as arrays.

    origin: (P, 3). inward: (P, 3, 3), camera space to the frame in which a capsule is round.
    axis: (P,), where on that frame's y axis the end sphere is. radii, stretch: (P, 2).
    low, high: (P, 2, 2), corners (x, y) of the bounding boxes of the two end spheres.
    """

    def __init__(self, parts: list[Capsule]):
        axes = np.array([part.axes for part in parts])
        self.origin = np.array([part.origin for part in parts])
        self.axis = -np.array([part.length for part in parts])
        self.radii = np.array([part.radii for part in parts])
        self.stretch = np.array([part.stretch for part in parts])
        self.ends = np.array([part.ends for part in parts])
        wide, deep = self.stretch.T
        self.inward = axes.transpose(0, 2, 1).copy()
        self.inward[:, 0] /= wide[:, None]
        self.inward[:, 2] /= deep[:, None]

        right, up, front = axes[:, :2].transpose(2, 0, 1)  # (P, 2) each
        reach = np.sqrt((wide[:, None] * right) ** 2 + up**2 + (deep[:, None] * front) ** 2)
        tip = self.origin + self.axis[:, None] * axes[:, :, 1]
        centres = np.stack([self.origin[:, :2], tip[:, :2]], 1)
        by = self.radii[:, :, None] * reach[:, None]
        self.low, self.high = centres - by, centres + by


class Quadrics(NamedTuple):
    """The visible surfaces of capsules under orthographic rays, as polynomials of camera (x, y).

    Their depth is (sqrt(root) - middle) / leading, and place + deeper * depth the fraction of the
    capsule's length, which is from 0 to 1 on a body.

    part: (Q,), number of the capsule. kind: (Q,), BODY, START or END.
    root, middle, place: (Q, 3, 3), coefficients of y^i x^j. leading, deeper: (Q,).
    low, high: (Q, 2), bounding box (x, y) in camera space.
    """

    part: np.ndarray
    kind: np.ndarray
    root: np.ndarray
    middle: np.ndarray
    leading: np.ndarray
    place: np.ndarray
    deeper: np.ndarray
    low: np.ndarray
    high: np.ndarray

    @classmethod
    def of(cls, shapes: Shapes) -> "Quadrics":
        """The bodies, unless they are seen from an end, and the spheres; in order of the parts.

        A capsule is the union of spheres with centre c(t) and radius r(t), both linear in t. On its
        surface |p - c|^2 = r^2 and the derivative with respect to t vanishes, which gives a
        quadratic in the depth whose coefficients are polynomials of x and y.
        """
        right, up, toward = shapes.inward.transpose(2, 0, 1)
        axis, (r0, r1) = shapes.axis, shapes.radii.T
        slope = r1 - r0
        norm = axis**2 - slope**2
        speed = _dot(toward, toward)
        zero = np.zeros_like(speed)
        along = _columns(zero, _dot(toward, right), _dot(toward, up))
        height = _columns(zero, right[:, 1], up[:, 1])  # along the capsule's axis
        square = _columns(zero, zero, zero, _dot(right, right), 2 * _dot(right, up), _dot(up, up))
        u, w = axis[:, None] * height, toward[:, 1] * axis
        u[:, 0] += r0 * slope

        body = square - _squared(u) / norm[:, None]
        body[:, 0] -= r0**2
        start, end = square.copy(), square.copy()
        start[:, 0] -= r0**2
        end[:, :3] -= 2 * axis[:, None] * height
        end[:, 0] += axis**2 - r1**2
        beyond = along.copy()
        beyond[:, 0] -= axis * toward[:, 1]

        leading = np.stack([speed - w * w / norm, speed, speed], 1)
        middle = np.stack([along - u * (w / norm)[:, None], along, beyond], 1)
        constant = np.stack([body, start, end], 1)
        root = _squared(middle) - leading[..., None] * constant
        # so far relative to the origins
        x, y, z = shapes.origin.T[..., None]
        middle = _moved(middle, x, y)
        middle[..., 0] -= leading * z
        place = _moved(u / norm[:, None], x[:, 0], y[:, 0])
        deeper = w / norm
        place[:, 0] -= deeper * z[:, 0]
        low = np.stack([shapes.low.min(1), *shapes.low.transpose(1, 0, 2)], 1)
        high = np.stack([shapes.high.max(1), *shapes.high.transpose(1, 0, 2)], 1)
        # a body is missing where the rays are along its axis and hit the end spheres only
        drawn = np.column_stack([leading[:, BODY] > 0, shapes.ends])
        part, kind = np.nonzero(drawn)
        return cls(
            part, kind, _matrices(_moved(root, x, y)[drawn]), _matrices(middle[drawn]),
            leading[drawn], _matrices(place[part]), deeper[part], low[drawn], high[drawn],
        )  # fmt: skip


def _columns(*values: np.ndarray) -> np.ndarray:
    return np.stack(values, -1)


def _dot(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return (a * b).sum(-1)


def _squared(p: np.ndarray) -> np.ndarray:
    """Coefficients (..., 6) of the square of a linear polynomial (..., 3)."""
    one, x, y = np.moveaxis(p, -1, 0)
    return _columns(one * one, 2 * one * x, 2 * one * y, x * x, 2 * x * y, y * y)


def _moved(p: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Coefficients of p(X - x, Y - y), for those of a polynomial of degree 1 or 2 (..., 3 or 6)."""
    moved = p.copy()
    moved[..., 0] -= p[..., 1] * x + p[..., 2] * y
    if p.shape[-1] == 6:
        xx, xy, yy = np.moveaxis(p[..., 3:], -1, 0)
        moved[..., 0] += xx * x * x + xy * x * y + yy * y * y
        moved[..., 1] -= 2 * xx * x + xy * y
        moved[..., 2] -= xy * x + 2 * yy * y
    return moved


def _matrices(p: np.ndarray) -> np.ndarray:
    """Coefficients (Q, 3 or 6) of 1, x, y, x^2, x y, y^2 as those of y^i x^j (Q, 3, 3)."""
    rows, columns = [0, 0, 1, 0, 1, 2], [0, 1, 0, 2, 1, 0]
    matrices = np.zeros((len(p), 3, 3))
    matrices[:, rows[: p.shape[1]], columns[: p.shape[1]]] = p
    return matrices


def turn(axis: str, angle: float) -> np.ndarray:
    """Right-handed rotation matrix (3, 3) about an axis; angle in degrees."""
    c, s = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    return np.array(
        {
            "x": [[1, 0, 0], [0, c, -s], [0, s, c]],
            "y": [[c, 0, s], [0, 1, 0], [-s, 0, c]],
            "z": [[c, -s, 0], [s, c, 0], [0, 0, 1]],
        }[axis]
    )
