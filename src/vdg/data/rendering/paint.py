"""Colours of surface points: arrays (3, N), or one colour (3,) for all.

A paint is a function of the points' (x, y, z) in the frame of a body part that returns (3, N).
"""

import numpy as np


def solid(colour: np.ndarray):
    """Paint of one colour."""
    return lambda x, y, z: np.broadcast_to(colour[:, None], (3, len(x)))


def either(mask: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """The first colour where the mask (N,) holds, else the second."""
    return np.where(mask, _each(first), _each(second))


def put(colours: np.ndarray, mask: np.ndarray, colour: np.ndarray) -> None:
    """Paint over `colours` (3, N), in place, where the mask (N,) holds."""
    np.copyto(colours, _each(colour), where=mask)


def dim(colours: np.ndarray, mask: np.ndarray, factor: float) -> None:
    """Multiply `colours` (3, N), in place, where the mask (N,) holds."""
    np.multiply(colours, factor, out=colours, where=mask)


def _each(colour: np.ndarray) -> np.ndarray:
    return colour[:, None] if colour.ndim == 1 else colour
