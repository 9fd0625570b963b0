"""Inception Score (Salimans et al., "Improved techniques for training GANs", NeurIPS 2016)."""

import numpy as np
from scipy.special import rel_entr

from vdg.errors import InputError


def inception_score(probabilities, splits: int = 10) -> tuple[float, float]:
    """Mean and population standard deviation of exp(mean KL(p(y|x) || p(y))) over the splits.

    probabilities: (N, K), rows sum to 1, in list order. The splits are sequential, as in the
    original script, so the score depends on the order of the images and on N.
    Raises InputError for fewer images than splits.
    """
    p = np.asarray(probabilities, dtype=np.float64)
    if len(p) < splits:
        raise InputError(
            f"the Inception Score of {splits} splits needs at least {splits} images, not {len(p)}: "
            "evaluate more pairs"
        )
    bounds = [len(p) * i // splits for i in range(splits + 1)]
    chunks = np.split(p, bounds[1:-1])
    # rel_entr(p, q) = p log(p / q), and 0 where p is 0
    scores = [np.exp(rel_entr(chunk, chunk.mean(0)).sum(1).mean()) for chunk in chunks]
    return float(np.mean(scores)), float(np.std(scores))
