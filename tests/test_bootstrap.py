"""Confidence intervals of paired differences."""

import numpy as np
import pytest
from scipy import stats

from vdg.metrics.bootstrap import paired_interval

ALONE = np.arange(4000)  # every pair is of another identity


def false_alarms(differences, identities):
    """Of 200 draws of differences around zero: how many intervals exclude it."""
    intervals = [paired_interval(differences(), identities) for _ in range(200)]
    return sum(low > 0 or high < 0 for low, high in intervals)


def test_agrees_with_the_normal_interval_on_many_pairs():
    differences = np.random.default_rng(0).normal(0.02, 0.1, 4000)
    low, high = paired_interval(differences, ALONE)
    expected = stats.norm.interval(0.95, differences.mean(), 0.1 / np.sqrt(4000))
    assert (low, high) == pytest.approx(expected, abs=5e-4)


def test_luck_is_not_called_real_more_often_than_it_should():
    random = np.random.default_rng(1)
    assert 2 <= false_alarms(lambda: random.normal(0, 1, 100), ALONE[:100]) <= 22  # about 5 %


def test_pairs_of_one_person_are_not_independent():
    random = np.random.default_rng(2)
    people = np.repeat(ALONE[:60], 10)

    def differences():
        return random.normal(0, 1, 60)[people] + random.normal(0, 0.5, 600)

    assert 2 <= false_alarms(differences, people) <= 22
    assert false_alarms(differences, ALONE[:600]) > 60  # had they been taken for independent


def test_people_count_by_their_pairs():
    differences = np.array([1.0] * 30 + [0.0] * 10)
    low, high = paired_interval(differences, np.array(["a"] * 30 + ["b"] * 10))
    assert (low, high) == (0, 1)
    people = np.repeat(np.arange(200), np.resize([1, 9], 200))
    low, high = paired_interval((np.bincount(people)[people] == 9).astype(float), people)
    assert low < 0.9 < high < 0.94


def test_of_a_single_person_the_pairs_are_resampled():
    differences = np.random.default_rng(0).normal(0, 1, 50)
    alone = paired_interval(differences, ALONE[:50])
    assert paired_interval(differences, np.full(50, "a")) == pytest.approx(alone, abs=0.03)


def test_seeds_of_a_pair_are_not_more_pairs():
    one = np.random.default_rng(0).normal(0, 1, 50)
    several = paired_interval(np.stack([one, one, one]), ALONE[:50])
    assert several == paired_interval(one, ALONE[:50])


def test_equal_systems_differ_by_nothing():
    assert paired_interval(np.zeros(20), ALONE[:20]) == (0, 0)


def test_the_same_interval_every_time():
    differences = np.arange(30.0)
    assert paired_interval(differences, ALONE[:30]) == paired_interval(differences, ALONE[:30])
