"""From packed pictures and key points to what a network sees, on the device that runs it."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from vdg.data.images import ImageSet
from vdg.data.poses import PoseSet
from vdg.errors import InputError
from vdg.pose import MIRRORED, heat_maps


@dataclass
class Batch:
    """Source view a and target view b of B pairs.

    I_a, I_b: (B, 3, H, W) in [-1, 1]. P_a, P_b: (B, 18, H, W) in [0, 1].
    M_b: (B, 1, H, W) in {0, 1}.
    """

    I_a: Tensor
    P_a: Tensor
    I_b: Tensor
    P_b: Tensor
    M_b: Tensor


class PairData:
    """Pictures, key points and masks of one split, kept on `device` as bytes.

    Heat maps are rendered and bytes become floats batch by batch, on the device: an epoch's heat
    maps would take 18 times the memory of its pictures.
    """

    def __init__(self, images: ImageSet, poses: PoseSet, device: torch.device | str = "cpu"):
        if images.names != poses.picture_names:
            raise InputError(
                "the pictures and the key points are not of the same run: run the download and "
                "pose-heatmaps stages again"
            )
        self.device, self.names, self.part = torch.device(device), images.names, poses.part
        self.images = torch.as_tensor(images.images).to(self.device)
        self.keypoints = torch.as_tensor(poses.keypoints).to(self.device)
        self.masks = torch.as_tensor(poses.masks()).to(self.device)
        self.pairs = torch.as_tensor(poses.pairs).long()
        self.height, self.width = self.images.shape[1:3]

    def batch(self, pairs: Tensor, flip: Tensor | None = None) -> Batch:
        """pairs: (B, 2) positions of source and target; flip: bool (B,), pairs to mirror."""
        pairs = pairs.to(self.device)
        I_a, P_a, _ = self._view(pairs[:, 0], flip)
        I_b, P_b, M_b = self._view(pairs[:, 1], flip)
        return Batch(I_a, P_a, I_b, P_b, M_b)

    def _view(self, index: Tensor, flip: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        images, keypoints, masks = self.images[index], self.keypoints[index], self.masks[index]
        if flip is not None:
            flip = flip.to(self.device)
            images = torch.where(flip[:, None, None, None], images.flip(2), images)
            masks = torch.where(flip[:, None, None], masks.flip(2), masks)
            keypoints = torch.where(flip[:, None, None], self._mirror(keypoints), keypoints)
        # (B, H, W, C) seen as (B, C, H, W) is already laid out channels last
        I = images.permute(0, 3, 1, 2).float() / 127.5 - 1  # noqa: E741
        return I, heat_maps(keypoints, self.height, self.width), masks[:, None].float()

    def _mirror(self, keypoints: Tensor) -> Tensor:
        mirrored = keypoints[:, MIRRORED].clone()
        found = mirrored[..., 1] >= 0
        mirrored[..., 1] = torch.where(found, self.width - 1 - mirrored[..., 1], -1)
        return mirrored


def load_pairs(data: Path, split: str, device) -> PairData:
    """The pictures and poses of one split under data/<dataset>."""
    poses = PoseSet.load(data / "poses" / f"{split}.safetensors")
    images = ImageSet.load(data / "download" / f"{poses.part}.safetensors", "pt")
    return PairData(images, poses, device)


def to_uint8(images: Tensor) -> np.ndarray:
    """(B, 3, H, W) in [-1, 1] -> uint8 (B, H, W, 3), rounded to the nearest."""
    pixels = ((images.float() + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
    return pixels.permute(0, 2, 3, 1).contiguous().cpu().numpy()
