"""The evaluation pairs of a data set, and the images that a model generates of them."""

import numpy as np
import torch
from tqdm import tqdm

from vdg.data.batches import PairData, to_uint8
from vdg.data.pairs import draw_pairs
from vdg.errors import InputError
from vdg.large_arrays import Array, spooled, taken
from vdg.settings import EvaluationConfig

BATCH = 50
PIXELS = 2**20
"""Of a batch's images at most, because the activations of large ones would fill the memory."""
SHOWN = 12  # pairs in the qualitative grid, evenly spaced in the test list


class EvalPairs:
    """The evaluation pairs: positions, source and target images, target masks."""

    def __init__(self, data: PairData, config: EvaluationConfig):
        split, count = config.split, config.pairs
        self.data = data
        drawn = draw_pairs(data.pairs.numpy(), count)
        self.positions = torch.as_tensor(drawn)
        if len(drawn) < 10:
            raise InputError(
                f"the data set has {len(drawn)} {split} pairs, fewer than the ten splits of IS need"
            )
        if len(drawn) < count:
            print(f"the data set has {len(drawn)} {split} pairs, fewer than the {count} configured")

    def images(self, side: int) -> Array:
        """uint8 (N, H, W, 3): the sources (side 0) or targets (side 1) of the pairs."""
        return self._of(self.data.images, side)

    def masks(self) -> Array:
        """bool (N, H, W): the targets' pose masks M_b."""
        return self._of(self.data.masks, 1)

    def _of(self, array: Array, side: int) -> Array:
        return taken(array, self.positions[:, side].numpy())

    @property
    def shown(self) -> np.ndarray:
        return np.linspace(0, len(self.positions) - 1, SHOWN).astype(int)

    def examples(self, which: np.ndarray) -> dict[str, np.ndarray]:
        """Source image, target image and target key points of the pairs `which`."""
        joints = self.data.keypoints[self.positions[which, 1].to(self.data.device)].cpu().numpy()
        source, target = (self.images(side)[which] for side in (0, 1))
        return {"source": source, "target": target, "keypoints": joints}


@torch.inference_mode()
def generate(generator, pairs: EvalPairs) -> Array:
    """The generated images of a test list, in a temporary file: uint8 (N, H, W, 3).

    In float32 whatever the training used: generating is cheap, and scores then do not depend on it.
    """
    size = min(BATCH, max(1, PIXELS // (pairs.data.height * pairs.data.width)))
    bar = tqdm(pairs.positions.split(size), desc="generate", unit="batch", disable=None)
    batches = map(pairs.data.batch, bar)
    return spooled(to_uint8(generator(batch.I_a, batch.K_a, batch.K_b)) for batch in batches)
