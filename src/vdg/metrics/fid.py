"""Frechet Inception Distance (Heusel et al., "GANs trained by a two time-scale update rule
converge to a local Nash equilibrium", NeurIPS 2017)."""

import contextlib
import sys
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch

from vdg.errors import InputError

ROWS = 16384
"""Features whose covariance is factored at once: in float64, and in two copies that QR makes."""


class Statistics(NamedTuple):
    """Mean (D,) of features (N, D) and a factor A (min(N, D), D) of their covariance A^T A."""

    mean: np.ndarray
    factor: np.ndarray


def statistics(features) -> Statistics:
    """Statistics of features (N, D). The covariance is normalised by N - 1, as in pytorch-fid.

    Raises InputError for fewer than two images.
    """
    features = np.asarray(features)
    count = len(features)
    if count < 2:
        raise InputError(f"FID needs at least 2 images, not {count}: evaluate more pairs")
    mu = features.mean(0, dtype=np.float64)
    factor = np.empty((0, features.shape[1]))
    with _denormals():
        for i in range(0, count, ROWS):
            centred = features[i : i + ROWS] - mu
            centred /= np.sqrt(count - 1)
            # the R of a part is also a factor of that part's share of the covariance
            rows = np.concatenate([factor, centred]) if len(factor) else centred
            factor = np.linalg.qr(rows, mode="r")
    return Statistics(mu, factor)


def fid(a: Statistics, b: Statistics) -> float:
    """|mu_a - mu_b|^2 + Tr(S_a + S_b - 2 (S_a S_b)^(1/2)) of the statistics of two feature sets.

    With S_a = A^T A and S_b = B^T B, the trace of the square root is the sum of the singular values
    of A B^T. pytorch-fid computes the same value by a matrix square root, which is unstable for
    singular covariances (N < D) and many times slower there. FID is biased upwards for few images:
    compare scores of equal N only.
    """
    (mu_a, A), (mu_b, B) = a, b
    with _denormals():
        cross = np.linalg.svd(A @ B.T, compute_uv=False).sum()
    distance = ((mu_a - mu_b) ** 2).sum() + (A**2).sum() + (B**2).sum() - 2 * cross
    return float(max(distance, 0.0))  # rounding may make it negative for equal sets


@contextlib.contextmanager
def _denormals() -> Iterator[None]:
    """Keep numbers below 2e-308 in a block.

    `vdg.runtime.set_up` has this thread take them for 0, but not those of the linear algebra. Where
    all features are equal but for rounding, as those of one image are, LAPACK divides by such
    numbers, and what some threads keep and others do not becomes nan.
    """
    flushed = sys.float_info.min / 2 == 0
    torch.set_flush_denormal(False)
    try:
        yield
    finally:
        torch.set_flush_denormal(flushed)
