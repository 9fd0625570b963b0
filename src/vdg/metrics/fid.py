"""Frechet Inception Distance (Heusel et al., "GANs trained by a two time-scale update rule
converge to a local Nash equilibrium", NeurIPS 2017)."""

import contextlib
import sys
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch

from vdg.errors import InputError


class Statistics(NamedTuple):
    """Mean (D,) of features (N, D) and a factor A (min(N, D), D) of their covariance A^T A."""

    mean: np.ndarray
    factor: np.ndarray


def statistics(features) -> Statistics:
    """Statistics of features (N, D). The covariance is normalised by N - 1, as in pytorch-fid."""
    centred = np.array(features, dtype=np.float64)  # changed in place: it may be a gigabyte
    if len(centred) < 2:
        raise InputError(f"FID needs at least 2 images, not {len(centred)}: evaluate more pairs")
    mu = centred.mean(0)
    centred -= mu
    centred /= np.sqrt(len(centred) - 1)
    with _denormals():
        return Statistics(mu, np.linalg.qr(centred, mode="r"))


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
