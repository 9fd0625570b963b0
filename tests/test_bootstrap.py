"""Confidence intervals of paired differences."""

import numpy as np
import pytest
from scipy import stats

from vdg.metrics.bootstrap import paired_interval


def test_agrees_with_the_normal_interval_on_many_pairs():
    differences = np.random.default_rng(0).normal(0.02, 0.1, 4000)
    low, high = paired_interval(differences)
    expected = stats.norm.interval(0.95, differences.mean(), 0.1 / np.sqrt(4000))
    assert (low, high) == pytest.approx(expected, abs=5e-4)


def test_luck_is_not_called_real_more_often_than_it_should():
    random = np.random.default_rng(1)
    intervals = [paired_interval(random.normal(0, 1, 100)) for _ in range(200)]
    called = sum(low > 0 or high < 0 for low, high in intervals)
    assert 2 <= called <= 22  # about 5 % of 200


def test_seeds_of_a_pair_are_not_more_pairs():
    one = np.random.default_rng(0).normal(0, 1, 50)
    assert paired_interval(np.stack([one, one, one])) == paired_interval(one)


def test_equal_systems_differ_by_nothing():
    assert paired_interval(np.zeros(20)) == (0, 0)


def test_the_same_interval_every_time():
    differences = np.arange(30.0)
    assert paired_interval(differences) == paired_interval(differences)
