"""Confidence intervals of paired differences."""

import numpy as np
import pytest
from scipy import stats

from vdg.metrics.intervals import identity_interval, seed_interval

ALONE = np.arange(4000)  # every pair is of another identity


def false_alarms(differences, identities):
    """Of 400 draws of differences around zero: the share of intervals that exclude it."""
    intervals = [identity_interval(differences(), identities) for _ in range(400)]
    return np.mean([low > 0 or high < 0 for low, high in intervals])


@pytest.mark.parametrize("count", [2, 12, 4000])
def test_is_students_interval_where_each_pair_is_of_another_identity(count):
    differences = np.random.default_rng(0).normal(0.02, 0.1, count)
    expected = stats.ttest_1samp(differences, 0).confidence_interval(0.95)
    assert identity_interval(differences, ALONE[:count]) == pytest.approx(tuple(expected))


def test_is_students_interval_of_the_identities_means_where_all_have_as_many_pairs():
    differences = np.random.default_rng(0).normal(0, 1, (15, 4))
    expected = stats.ttest_1samp(differences.mean(1), 0).confidence_interval(0.95)
    found = identity_interval(differences.ravel(), np.repeat(ALONE[:15], 4))
    assert found == pytest.approx(tuple(expected))


def test_the_error_is_that_of_a_regression_with_clustered_errors():
    """The sandwich of Liang and Zeger (Biometrika, 1986) for a constant, with G / (G - 1)."""
    random = np.random.default_rng(0)
    people = np.repeat(np.arange(6), [1, 2, 3, 5, 8, 13])
    values = random.normal(0, 1, 6)[people] + random.normal(0, 1, len(people))
    X = np.ones((len(people), 1))
    bread = np.linalg.inv(X.T @ X)
    scores = [X[people == i].T @ (values - values.mean())[people == i] for i in range(6)]
    sandwich = bread @ sum(np.outer(s, s) for s in scores) @ bread * 6 / 5
    low, high = identity_interval(values, people)
    assert (high - low) / 2 == pytest.approx(stats.t.ppf(0.975, 5) * sandwich[0, 0] ** 0.5)
    assert (high + low) / 2 == pytest.approx(values.mean())


@pytest.mark.parametrize("people", [2, 3, 5, 10, 40])
def test_luck_is_not_called_real_more_often_than_it_should(people):
    """In 5 % of draws, however few the identities; between 2 and 9 % of 400 draws."""
    random = np.random.default_rng(people)
    who = np.repeat(ALONE[:people], 10)

    def differences():
        return random.normal(0, 1, people)[who] + random.normal(0, 0.5, len(who))

    assert 0.02 <= false_alarms(differences, who) <= 0.09
    assert false_alarms(differences, ALONE[: len(who)]) > 0.3  # had pairs been independent


def test_people_count_by_their_pairs():
    people = np.repeat(np.arange(200), np.resize([1, 9], 200))
    low, high = identity_interval((np.bincount(people)[people] == 9).astype(float), people)
    assert (low + high) / 2 == pytest.approx(0.9)


def test_a_single_person_says_nothing_about_others():
    assert identity_interval(np.ones(50), np.full(50, "a")) == (-np.inf, np.inf)


def test_seeds_of_a_pair_are_not_more_pairs():
    one = np.random.default_rng(0).normal(0, 1, 50)
    several = identity_interval(np.stack([one, one, one]), ALONE[:50])
    assert several == pytest.approx(identity_interval(one, ALONE[:50]))


def test_equal_systems_differ_by_nothing():
    assert identity_interval(np.zeros(20), ALONE[:20]) == (0, 0)


def test_the_interval_over_seeds_is_students():
    means = np.array([0.1, 0.3, 0.2])
    expected = stats.ttest_1samp(means, 0).confidence_interval(0.95)
    assert seed_interval(means) == pytest.approx(tuple(expected))
