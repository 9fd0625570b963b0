"""What the pose-heatmaps stage hands on: key points, masks and pairs of one split."""

from dataclasses import dataclass

import numpy as np

from vdg.errors import InputError
from vdg.files import read_arrays, read_meta, write_arrays


@dataclass
class PoseSet:
    """One split ("train", "validation" or "test"), pointing into a packed image set.

    part: which packed image set the positions are of (a hold-out takes both splits from "train").
    picture_names: the N names in that set, to detect files of different runs.
    keypoints: int16 (N, 18, 2), (y, x), -1 = missing.
    mask_bits: uint8 (N, H * W / 8), the pose masks M, packed.
    pairs: int32 (P, 2), positions of source and target.
    size: (H, W).
    """

    part: str
    picture_names: list[str]
    keypoints: np.ndarray
    mask_bits: np.ndarray
    pairs: np.ndarray
    size: tuple[int, int]

    def masks(self) -> np.ndarray:
        """The pose masks M: bool (N, H, W)."""
        height, width = self.size
        bits = np.unpackbits(self.mask_bits, axis=1, count=height * width)
        return bits.view(bool).reshape(-1, height, width)

    def save(self, path) -> None:
        arrays = {"keypoints": self.keypoints, "mask_bits": self.mask_bits, "pairs": self.pairs}
        meta = {"part": self.part, "picture_names": self.picture_names, "size": self.size}
        write_arrays(path, arrays, meta)

    @classmethod
    def load(cls, path) -> "PoseSet":
        arrays, meta = read_arrays(path)
        if arrays.keys() != {"keypoints", "mask_bits", "pairs"}:
            raise InputError(f"{path} is not a pose file: run the pose-heatmaps stage again")
        return cls(meta["part"], meta["picture_names"], **arrays, size=tuple(meta["size"]))

    @staticmethod
    def part_of(path) -> str:
        """`part` of a file, without reading its arrays."""
        return read_meta(path).get("part", "train")
