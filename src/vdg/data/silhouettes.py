"""Silhouette files of rendered data, the ground truth of its pose metric."""

from pathlib import Path

import numpy as np

from vdg.files import open_arrays, write_arrays
from vdg.large_arrays import Array, bits, masks_of


def write_silhouettes(path: Path, names: list[str], silhouettes: np.ndarray) -> None:
    """Write silhouettes, bool (N, H, W), as one bit per pixel (numpy.packbits of flat masks)."""
    _, *shape = silhouettes.shape
    write_arrays(path, {"silhouettes": bits(silhouettes)}, {"names": names, "shape": shape})


def read_silhouettes(path: Path) -> tuple[list[str], Array]:
    """Read names and, when they are indexed, silhouettes, bool (N, H, W)."""
    arrays, meta = open_arrays(path)
    return meta["names"], masks_of(arrays["silhouettes"], *meta["shape"])
