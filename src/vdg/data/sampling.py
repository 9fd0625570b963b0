"""Batches of training pairs in random order."""

import zlib

import numpy as np
import torch

from vdg.errors import InputError


class PairSampler:
    """Infinite batches of training pairs; each batch depends only on (seed, step).

    A resumed run therefore gets the same batches as an uninterrupted one. Each epoch has a new
    order, which is equal on all devices.
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
    """An independent random generator for each (seed, name, index)."""
    key = np.random.SeedSequence([seed, zlib.crc32(name.encode()), index])
    return torch.Generator().manual_seed(int(key.generate_state(1, np.uint64)[0] >> 1))
