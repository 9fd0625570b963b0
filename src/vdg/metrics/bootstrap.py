"""Bootstrap confidence interval of the difference between two systems over the test pairs."""

import numpy as np
from scipy import stats

RESAMPLES = 2000


def paired_interval(differences: np.ndarray, confidence: float = 0.95) -> tuple[float, float]:
    """Percentile bootstrap interval of the mean of paired differences (Efron, Tibshirani, 1993).

    differences: (N,) or (S, N), one system's score minus the other's on each of N test pairs, for
    each of S seeds. A pair is resampled together with all its seeds, because the seeds of one pair
    are not independent samples. The interval does not cover seed variance.
    """
    pairs = np.atleast_2d(differences).mean(0)
    if np.ptp(pairs) == 0:  # nothing to resample
        return float(pairs[0]), float(pairs[0])
    result = stats.bootstrap(
        (pairs,),
        np.mean,
        n_resamples=RESAMPLES,
        batch=100,
        confidence_level=confidence,
        method="percentile",
        rng=np.random.default_rng(0),
    )
    interval = result.confidence_interval
    return float(interval.low), float(interval.high)
