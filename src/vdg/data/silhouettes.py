"""Silhouette files of rendered data, the ground truth of its pose metric."""

from pathlib import Path

import numpy as np

from vdg.files import read_arrays, write_arrays


def write_silhouettes(path: Path, names: list[str], silhouettes: np.ndarray) -> None:
    """Write silhouettes, bool (N, H, W), as one bit per pixel (numpy.packbits of flat masks)."""
    _, *shape = silhouettes.shape
    packed = np.packbits(silhouettes.reshape(len(names), -1), axis=1)
    write_arrays(path, {"silhouettes": packed}, {"names": names, "shape": shape})


def read_silhouettes(path: Path) -> tuple[list[str], np.ndarray]:
    """Read names and silhouettes, bool (N, H, W)."""
    arrays, meta = read_arrays(path)
    height, width = meta["shape"]
    flat = np.unpackbits(arrays["silhouettes"], axis=1, count=height * width)
    return meta["names"], flat.reshape(-1, height, width).astype(bool)
