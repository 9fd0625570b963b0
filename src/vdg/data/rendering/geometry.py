"""Tapered capsules, and where rays meet them."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

LINEAR = np.array([1.0, 0.0, 0.0])  # picks the constant term


class Quadric(NamedTuple):
    """One surface of a capsule under orthographic rays, as polynomials of camera (x, y).

    x and y are relative to the capsule's origin, as is the depth: (sqrt(root) - middle) / leading.
    root: coefficients of 1, x, y, x^2, x y, y^2; middle, place: of 1, x, y.
    place: t = place(x, y) + place_depth * depth is a fraction of the capsule's length, of which
        the surface is the part `within`, from 0 to 1; None for the sphere of an end, all of which
        is surface and `within` (0, 0) or (1, 1).
    low, high: bounding box (x, y) in camera space.
    """

    leading: float
    middle: np.ndarray
    root: np.ndarray
    place: np.ndarray | None
    place_depth: float
    within: tuple[int, int]
    low: np.ndarray
    high: np.ndarray


class Capsule(NamedTuple):
    """The hull of two spheres, stretched along x and z: a tapered limb of elliptic section."""

    origin: np.ndarray
    axes: np.ndarray  # (3, 3), columns are the x, y, z axes of the body part's frame
    length: float
    radii: tuple[float, float]
    paint: Callable  # surface points (x, y, z) in the body part's frame -> colours (N, 3)
    stretch: tuple[float, float] = (1.0, 1.0)
    capped: bool = True

    @property
    def inward(self) -> np.ndarray:
        """(3, 3): camera space to the frame in which the capsule is round."""
        return self.axes.T / np.array([self.stretch[0], 1, self.stretch[1]])[:, None]

    def _boxes(self):
        """Bounding boxes (x, y) of the two end spheres: lowest and highest corners (2, 2)."""
        tip = self.origin - self.length * self.axes[:, 1]
        wide, deep = self.stretch
        right, up, front = self.axes[:2].T
        reach = np.sqrt((wide * right) ** 2 + up**2 + (deep * front) ** 2)
        ends = np.stack([self.origin[:2], tip[:2]])
        by = np.array(self.radii)[:, None] * reach
        return ends - by, ends + by

    def extent(self):
        """Bounding box in camera space: lowest (x, y), highest (x, y)."""
        low, high = self._boxes()
        return low.min(0), high.max(0)

    def quadrics(self) -> Iterator[Quadric]:
        """The body between the end spheres, unless it is seen from an end, and the spheres.

        The capsule is the union of spheres with centre c(t) and radius r(t), both linear in t. On
        its surface |p - c|^2 = r^2 and the derivative with respect to t vanishes, which gives a
        quadratic in the depth whose coefficients are polynomials of x and y.
        """
        inward = self.inward
        right, up, toward = inward.T
        low, high = self._boxes()
        (r0, r1), axis = self.radii, -self.length
        slope = r1 - r0
        norm = axis**2 - slope**2
        speed = toward @ toward
        along = np.array([0.0, toward @ right, toward @ up])
        height = np.array([0.0, right[1], up[1]])  # along the capsule's axis
        square = np.array([0.0, 0.0, 0.0, right @ right, 2 * (right @ up), up @ up])

        def root(a, b, c):
            return _squared(b) - a * c

        u, w = axis * height + r0 * slope * LINEAR, toward[1] * axis
        if speed > w * w / norm:  # else the rays are along the axis and hit the end spheres only
            a, b = speed - w * w / norm, along - u * w / norm
            c = square - _squared(u) / norm
            c[0] -= r0**2
            yield Quadric(a, b, root(a, b, c), u / norm, w / norm, (0, 1), low.min(0), high.max(0))
        if self.capped:
            c = square.copy()
            c[0] -= r0**2
            yield Quadric(speed, along, root(speed, along, c), None, 0.0, (0, 0), low[0], high[0])
            b = along - axis * toward[1] * LINEAR
            c = square.copy()
            c[:3] -= 2 * axis * height
            c[0] += axis**2 - r1**2
            yield Quadric(speed, b, root(speed, b, c), None, 0.0, (1, 1), low[1], high[1])


def _squared(p: np.ndarray) -> np.ndarray:
    """Coefficients of the square of a linear polynomial."""
    one, x, y = p
    return np.array([one * one, 2 * one * x, 2 * one * y, x * x, 2 * x * y, y * y])


def turn(axis: str, angle: float) -> np.ndarray:
    """Right-handed rotation matrix (3, 3) about an axis; angle in degrees."""
    c, s = np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle))
    return np.array(
        {
            "x": [[1, 0, 0], [0, c, -s], [0, s, c]],
            "y": [[c, 0, s], [0, 1, 0], [-s, 0, c]],
            "z": [[c, -s, 0], [s, c, 0], [0, 0, 1]],
        }[axis]
    )
