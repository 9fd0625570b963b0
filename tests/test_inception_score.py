import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vdg.errors import InputError
from vdg.metrics.inception_score import inception_score


def random_probabilities(n, k, seed=0):
    return np.random.default_rng(seed).dirichlet(np.full(k, 0.3), n)


def test_uniform_predictions_score_one():
    mean, std = inception_score(np.full((50, 7), 1 / 7))
    assert mean == pytest.approx(1)
    assert std == pytest.approx(0)


def test_balanced_one_hot_predictions_score_the_number_of_classes():
    mean, std = inception_score(np.tile(np.eye(8), (10, 1)), splits=10)
    assert mean == pytest.approx(8)
    assert std == pytest.approx(0)


def test_permutation_inside_a_split_changes_nothing():
    p = random_probabilities(40, 5)
    shuffled = p.reshape(4, 10, 5)[:, ::-1].reshape(40, 5)
    assert inception_score(shuffled, 4) == pytest.approx(inception_score(p, 4))


@given(n=st.integers(1, 60), k=st.integers(1, 12), splits=st.integers(1, 10), seed=st.integers(0))
def test_equals_the_formula(n, k, splits, seed):
    if n < splits:
        return
    p = random_probabilities(n, k, seed) + 1e-9
    scores = []
    for i in range(splits):
        part = p[i * n // splits : (i + 1) * n // splits]
        kl = part * (np.log(part) - np.log(np.mean(part, 0, keepdims=True)))
        scores.append(np.exp(np.mean(np.sum(kl, 1))))
    assert inception_score(p, splits) == pytest.approx((np.mean(scores), np.std(scores)), abs=1e-9)


def test_fewer_images_than_splits():
    with pytest.raises(InputError, match="needs at least 10 images, not 9"):
        inception_score(random_probabilities(9, 3))
