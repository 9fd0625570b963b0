"""Which pictures are used, and which source goes with which target."""

import itertools
import zlib

import numpy as np
import pandas as pd
import torch

from vdg.errors import InputError
from vdg.pose import has_torso


def is_valid(identity: str, keypoints: np.ndarray) -> bool:
    """Def-GAN's filter: a person (not "", which is junk), with both shoulders and both hips."""
    return bool(identity and has_torso(keypoints))


def all_pairs(identities: list[str]) -> np.ndarray:
    """All ordered pairs of two different pictures of one identity.

    identities: of each picture. Identities come in the order of their first picture, pairs in that
    of `itertools.permutations`: the order from which the published Market-1501 list was drawn.

    Returns int32 (P, 2): positions of source and target in `identities`.
    """
    members: dict[str, list[int]] = {}
    for position, identity in enumerate(identities):
        members.setdefault(identity, []).append(position)
    pairs = [pair for group in members.values() for pair in itertools.permutations(group, 2)]
    return np.array(pairs, np.int32).reshape(-1, 2)


def draw_pairs(pairs: np.ndarray, count: int | None) -> np.ndarray:
    """The test list: `count` of `pairs`, drawn as the published list was; all if there are fewer.

    pandas' `sample(count, random_state=0)` over all ordered pairs of Market-1501's test pictures
    gives Def-GAN's 12,000 pairs row for row.
    """
    if count is None or count >= len(pairs):
        return pairs
    chosen = pd.Series(np.arange(len(pairs))).sample(count, random_state=0)
    return pairs[chosen.to_numpy()]


def hold_out(identities: list[str], count: int, key: str) -> tuple[set[str], set[str]]:
    """Take the last `count` identities by name out. Returns (those kept, those taken out).

    key: of params.yaml, for the error. Raises InputError when nobody would be left.
    """
    ordered = sorted(set(identities))
    if count and count >= len(ordered):
        raise InputError(
            f"{key} is {count}, but only {len(ordered)} identities have valid images: use fewer"
        )
    return set(ordered[: len(ordered) - count]), set(ordered[len(ordered) - count :])


class PairSampler:
    """Endless batches of training pairs, each a function of (seed, step) alone.

    A run that stops and goes on sees the same batches as one that never stopped. Every pass over
    the pairs has a new order, the same for every device.
    """

    def __init__(self, pairs: torch.Tensor, batch_size: int, seed: int):
        if not len(pairs):
            raise InputError("there is no pair to train on: every identity has a single picture")
        self.pairs, self.batch_size, self.seed = pairs, batch_size, seed
        self._orders: dict[int, torch.Tensor] = {}

    def batch(self, step: int) -> torch.Tensor:
        """The pairs of one step: (batch_size, 2) positions of source and target."""
        wanted = torch.arange(step * self.batch_size, (step + 1) * self.batch_size)
        passes, places = wanted // len(self.pairs), wanted % len(self.pairs)
        self._orders = {p: self._order(p) for p in passes.unique().tolist()}
        chosen = [order[places[passes == p]] for p, order in self._orders.items()]
        return self.pairs[torch.cat(chosen)]

    def _order(self, epoch: int) -> torch.Tensor:
        if epoch in self._orders:
            return self._orders[epoch]
        generator = random_stream(self.seed, "order", epoch)
        return torch.randperm(len(self.pairs), generator=generator)


def random_stream(seed: int, name: str, index: int) -> torch.Generator:
    """A generator of its own for each use and each index, so that no two share their numbers."""
    key = np.random.SeedSequence([seed, zlib.crc32(name.encode()), index])
    return torch.Generator().manual_seed(int(key.generate_state(1, np.uint64)[0] >> 1))
