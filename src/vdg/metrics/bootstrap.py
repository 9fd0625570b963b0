"""Is a difference between two systems real, or the luck of the test pairs?"""

import numpy as np
from scipy import stats

RESAMPLES = 2000


def paired_interval(differences: np.ndarray, confidence: float = 0.95) -> tuple[float, float]:
    """Percentile bootstrap interval of the mean of paired differences (Efron, Tibshirani, 1993).

    differences: (N,) or (S, N), one system's figure less the other's on each of N test pairs, with
    each of S seeds. Pairs are drawn with all their seeds, so that the seeds of one pair never count
    as independent pictures.
    """
    pairs = np.atleast_2d(differences).mean(0)
    if np.ptp(pairs) == 0:  # nothing to resample
        return float(pairs[0]), float(pairs[0])
    found = stats.bootstrap(
        (pairs,),
        np.mean,
        n_resamples=RESAMPLES,
        batch=100,
        confidence_level=confidence,
        method="percentile",
        rng=np.random.default_rng(0),
    )
    return float(found.confidence_interval.low), float(found.confidence_interval.high)
