"""Filter images and build (source, target) pairs."""

import itertools

import numpy as np

from vdg.errors import InputError
from vdg.pose import has_torso


def is_valid(identity: str, keypoints: np.ndarray) -> bool:
    """Def-GAN's filter: an identity (junk has ""), and both shoulders and both hips present."""
    return bool(identity and has_torso(keypoints))


def all_pairs(identities: list[str]) -> np.ndarray:
    """All ordered pairs of two different images of one identity.

    identities: of each image. Identities are ordered by their first image, pairs as in
    `itertools.permutations`. The published Market-1501 list was sampled from this order.

    Returns int32 (P, 2): positions of source and target in `identities`.
    """
    members: dict[str, list[int]] = {}
    for position, identity in enumerate(identities):
        members.setdefault(identity, []).append(position)
    pairs = [pair for group in members.values() for pair in itertools.permutations(group, 2)]
    return np.array(pairs, np.int32).reshape(-1, 2)


def draw_pairs(pairs: np.ndarray, count: int | None) -> np.ndarray:
    """The test list: `count` of `pairs`, sampled as the published list; all if there are fewer.

    Def-GAN's 12,000 pairs are pandas' `sample(count, random_state=0)` of all ordered pairs of
    Market-1501's test images, which draws as here.
    """
    if count is None or count >= len(pairs):
        return pairs
    return pairs[np.random.RandomState(0).choice(len(pairs), count, replace=False)]


def hold_out(identities: list[str], count: int, key: str) -> tuple[set[str], set[str]]:
    """Hold out the last `count` identities by name. Returns (kept, held out).

    key: name in params.yaml, for the error. Raises InputError if no identity would remain.
    """
    ordered = sorted(set(identities))
    if count and count >= len(ordered):
        raise InputError(
            f"{key} is {count}, but only {len(ordered)} identities have valid images: use fewer"
        )
    return set(ordered[: len(ordered) - count]), set(ordered[len(ordered) - count :])
