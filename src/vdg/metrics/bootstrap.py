"""Bootstrap confidence interval of the difference between two systems over the identities."""

import numpy as np
from scipy import stats

RESAMPLES = 2000


def paired_interval(
    differences: np.ndarray, identities: np.ndarray, confidence: float = 0.95
) -> tuple[float, float]:
    """Percentile bootstrap interval of the mean of paired differences (Efron, Tibshirani, 1993).

    differences: (N,) or (S, N), one system's score minus the other's on each of N pairs, for each
    of S seeds. identities: (N,), who each pair shows. An identity is resampled with all its pairs
    and seeds, because these are not independent samples (Field, Welsh, "Bootstrapping clustered
    data", J. R. Statist. Soc. B, 2007). Of a single identity, pairs are resampled. The interval
    does not cover seed variance.
    """
    pairs = np.atleast_2d(differences).mean(0)
    if np.ptp(pairs) == 0:  # nothing to resample
        return float(pairs[0]), float(pairs[0])
    names, of_pair = np.unique(np.asarray(identities, str), return_inverse=True)
    if len(names) == 1:
        of_pair = np.arange(len(pairs))
    result = stats.bootstrap(
        (np.bincount(of_pair, pairs), np.bincount(of_pair)),
        _mean,
        paired=True,
        vectorized=True,
        n_resamples=RESAMPLES,
        batch=100,
        confidence_level=confidence,
        method="percentile",
        rng=np.random.default_rng(0),
    )
    interval = result.confidence_interval
    return float(interval.low), float(interval.high)


def _mean(sums: np.ndarray, counts: np.ndarray, axis: int) -> np.ndarray:
    return sums.sum(axis) / counts.sum(axis)
