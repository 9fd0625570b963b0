"""Confidence intervals of a difference between two systems: over the identities, over the seeds."""

import numpy as np
from scipy.special import stdtrit  # Student's t; scipy.stats takes a second to import


def identity_interval(
    differences: np.ndarray, identities: np.ndarray, confidence: float = 0.95
) -> tuple[float, float]:
    """Student's t interval of the mean of paired differences, over the identities.

    differences: (N,) or (S, N), one system's score minus the other's on each of N pairs, for each
    of S seeds. identities: (N,), who each pair shows. Pairs of one identity are not independent
    samples, so an identity counts once, with the sum of its pairs: the standard error is the
    sandwich of Liang and Zeger (Biometrika, 1986), with G / (G - 1) and G - 1 degrees of freedom
    for G identities. A single identity says nothing about others: (-inf, inf).
    The interval does not cover seed variance.
    """
    pairs = np.atleast_2d(differences).mean(0)
    names, of_pair = np.unique(np.asarray(identities, str), return_inverse=True)
    if len(names) < 2:
        return -np.inf, np.inf
    mean = pairs.mean()
    residuals = np.bincount(of_pair, pairs - mean)
    variance = len(names) / (len(names) - 1) * np.square(residuals).sum() / len(pairs) ** 2
    return _student(mean, np.sqrt(variance), len(names), confidence)


def seed_interval(means: np.ndarray, confidence: float = 0.95) -> tuple[float, float]:
    """Student's t interval of the mean of S >= 2 seeds (Student, 1908). means: (S,)."""
    error = means.std(ddof=1) / np.sqrt(len(means))
    return _student(means.mean(), error, len(means), confidence)


def _student(mean: float, error: float, count: int, confidence: float) -> tuple[float, float]:
    half = stdtrit(count - 1, (1 + confidence) / 2) * error
    return float(mean - half), float(mean + half)
