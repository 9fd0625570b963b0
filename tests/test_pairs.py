"""The image filter, the pairs, the published test list and the sampling order of training."""

import itertools

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from vdg.data.market1501 import identity_of
from vdg.data.pairs import all_pairs, draw_pairs, hold_out, is_valid
from vdg.data.sampling import PairSampler
from vdg.errors import InputError
from vdg.keypoints.annotations import read_pairs

SHOULDERS_HIPS = (2, 5, 8, 11)


def test_valid_needs_shoulders_hips_and_a_person(pose):
    torso = dict.fromkeys(SHOULDERS_HIPS, (0, 0))  # the corner is a place, too
    assert is_valid("0002", pose(torso))
    for joint in SHOULDERS_HIPS:
        lacking = {other: place for other, place in torso.items() if other != joint}
        assert not is_valid("0002", pose(lacking))
    assert not is_valid("", pose(torso))


def test_pairs_of_a_small_case():
    pairs = all_pairs(["b", "a", "b", "b", "c"])
    assert pairs.dtype == np.int32
    assert pairs.tolist() == [[0, 2], [0, 3], [2, 0], [2, 3], [3, 0], [3, 2]]


def test_nothing_to_pair():
    assert all_pairs([]).shape == (0, 2)
    assert all_pairs(["a", "b"]).shape == (0, 2)


@given(st.lists(st.sampled_from("abcd"), max_size=20))
def test_all_pairs_are_the_permutations_of_each_identity(identities):
    expected = []
    for identity in dict.fromkeys(identities):
        members = [i for i, other in enumerate(identities) if other == identity]
        expected += [list(pair) for pair in itertools.permutations(members, 2)]
    assert all_pairs(identities).tolist() == expected


def test_hold_out_takes_the_last_by_name():
    kept, held_out = hold_out(["0007", "0002", "0007", "0010", "0003"], 2, "key")
    assert (kept, held_out) == ({"0002", "0003"}, {"0007", "0010"})


@pytest.mark.parametrize("count", [2, 3])
def test_hold_out_leaves_somebody(count):
    with pytest.raises(InputError, match=f"the_key is {count}, but only 2 identities"):
        hold_out(["a", "b", "a"], count, "the_key")


def test_draw_pairs():
    pairs = np.arange(40).reshape(20, 2)
    drawn = draw_pairs(pairs, 12)
    assert len(np.unique(drawn, axis=0)) == 12
    assert set(map(tuple, drawn)) <= set(map(tuple, pairs))
    sample = pd.Series(range(20)).sample(12, random_state=0)  # as the published list was drawn
    np.testing.assert_array_equal(drawn, pairs[sample])
    for count in (None, 20, 21):
        np.testing.assert_array_equal(draw_pairs(pairs, count), pairs)


@pytest.mark.parametrize(
    ("part", "count", "pairs"), [("train", 12_116, 263_632), ("test", 12_344, 257_198)]
)
def test_published_counts(market_poses, part, count, pairs):
    valid = [
        name for name, joints in market_poses[part].items() if is_valid(identity_of(name), joints)
    ]
    identities = [name.split("_")[0] for name in valid]
    assert (len(valid), len(set(identities)), len(all_pairs(identities))) == (count, 745, pairs)


def test_published_list_row_for_row(market, market_poses):
    valid = [
        name for name, joints in market_poses["test"].items() if is_valid(identity_of(name), joints)
    ]
    drawn = draw_pairs(all_pairs([name.split("_")[0] for name in valid]), 12_000)
    assert [(valid[a], valid[b]) for a, b in drawn] == read_pairs(market / "market-pairs-test.csv")


PAIRS = torch.tensor([[i, i + 100] for i in range(11)])


def batches(steps, seed=0, size=4):
    sampler = PairSampler(PAIRS, size, seed)
    return [sampler.batch(step) for step in steps]


def test_batches_are_a_function_of_the_step():
    forward = batches(range(30))
    backward = batches(range(29, -1, -1))[::-1]
    alone = [batch for step in range(30) for batch in batches([step])]
    for one, other, third in zip(forward, backward, alone, strict=True):
        assert one.shape == (4, 2)
        assert torch.equal(one, other)
        assert torch.equal(one, third)


@pytest.mark.parametrize("size", [1, 4, 11, 30])  # smaller and larger than the number of pairs
def test_each_pass_holds_each_pair_once(size):
    drawn = torch.cat(batches(range(44), size=size))
    passes = drawn[: len(drawn) // 11 * 11].view(-1, 11, 2)
    for one in passes:
        assert sorted(one.tolist()) == PAIRS.tolist()
    assert not torch.equal(passes[0], passes[1])


def test_seeds_differ():
    assert not torch.equal(torch.cat(batches(range(3))), torch.cat(batches(range(3), seed=1)))


def test_nothing_to_train_on():
    with pytest.raises(InputError, match="no pair to train on"):
        PairSampler(torch.zeros(0, 2, dtype=torch.long), 4, 0)
