"""The output of the pose-heatmaps stage: key points, masks and pairs of one split."""

from dataclasses import dataclass

import numpy as np

from vdg.errors import InputError
from vdg.files import Rows, open_arrays, read_meta, write_arrays
from vdg.large_arrays import Array, Stored, masks_of


@dataclass
class PoseSet:
    """One split ("train", "validation" or "test"), as positions in a packed image set.

    part: name of the packed image set, "train" or "test" (hold-out: "train" for all splits).
    picture_names: the N names in that set, to detect files of different runs.
    keypoints: int16 (N, 18, 2), (y, x), -1 = missing.
    mask_bits: uint8 (N, ceil(H * W / 8)), the pose masks M as bits (numpy.packbits): Rows of a set
        that is yet to be saved, Stored of a loaded one.
    pairs: int32 (P, 2), positions of source and target.
    size: (H, W).
    """

    part: str
    picture_names: list[str]
    keypoints: np.ndarray
    mask_bits: np.ndarray | Rows | Stored
    pairs: np.ndarray
    size: tuple[int, int]

    def masks(self) -> Array:
        """The pose masks M, when they are indexed: bool (N, H, W)."""
        return masks_of(self.mask_bits, *self.size)

    def save(self, path) -> None:
        arrays = {"keypoints": self.keypoints, "mask_bits": self.mask_bits, "pairs": self.pairs}
        meta = {"part": self.part, "picture_names": self.picture_names, "size": self.size}
        write_arrays(path, arrays, meta)

    @classmethod
    def load(cls, path) -> "PoseSet":
        arrays, meta = open_arrays(path)
        if arrays.keys() != {"keypoints", "mask_bits", "pairs"}:
            raise InputError(f"{path} is not a pose file: run the pose-heatmaps stage again")
        keypoints, pairs = arrays["keypoints"][:], arrays["pairs"][:]
        mask_bits, size = arrays["mask_bits"], tuple(meta["size"])
        return cls(meta["part"], meta["picture_names"], keypoints, mask_bits, pairs, size)

    @staticmethod
    def part_of(path) -> str:
        """Read `part` of a file without its arrays."""
        return read_meta(path).get("part", "train")
