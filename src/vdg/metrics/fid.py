"""Frechet Inception Distance (Heusel et al., "GANs trained by a two time-scale update rule
converge to a local Nash equilibrium", NeurIPS 2017)."""

import numpy as np

from vdg.errors import InputError


def statistics(features) -> tuple[np.ndarray, np.ndarray]:
    """Mean (D,) of the features (N, D) and a root A (min(N, D), D) of their covariance A^T A.

    The covariance divides by N - 1, as numpy's and pytorch-fid's do.
    """
    features = np.asarray(features, dtype=np.float64)
    if len(features) < 2:
        raise InputError(f"FID needs at least 2 images, not {len(features)}: evaluate more pairs")
    mu = features.mean(0)
    return mu, np.linalg.qr((features - mu) / np.sqrt(len(features) - 1), mode="r")


def fid(features_a, features_b) -> float:
    """|mu_a - mu_b|^2 + Tr(S_a + S_b - 2 (S_a S_b)^(1/2)) of two feature sets (N, D), (M, D).

    With S_a = A^T A and S_b = B^T B the trace of the root is the sum of the singular values of
    A B^T: the value that pytorch-fid takes from a matrix square root, without its trouble when
    covariances are singular (N < D), and many times faster there. With few images FID is biased
    upwards: compare only figures of equal N.
    """
    (mu_a, A), (mu_b, B) = statistics(features_a), statistics(features_b)
    cross = np.linalg.svd(A @ B.T, compute_uv=False).sum()
    distance = ((mu_a - mu_b) ** 2).sum() + (A**2).sum() + (B**2).sum() - 2 * cross
    return float(max(distance, 0.0))  # equal sets may round to below 0
