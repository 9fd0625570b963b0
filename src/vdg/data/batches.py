"""Batches of image pairs and key points, built from packed files on the training device."""

import functools
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from vdg.data.images import ImageSet
from vdg.data.pose_set import PoseSet
from vdg.errors import InputError
from vdg.pose import MIRRORED, constant


@dataclass
class Batch:
    """Source view a and target view b of B pairs.

    I_a, I_b: (B, 3, H, W) in [-1, 1]. K_a, K_b: key points (B, 18, 2), (y, x) in pixels, negative
    where missing. M_b: mask of the target pose, (B, 1, H, W) in {0, 1}.
    """

    I_a: Tensor
    K_a: Tensor
    I_b: Tensor
    K_b: Tensor
    M_b: Tensor


class PairData:
    """Images, key points and masks of one split, stored on `device` as uint8, int16 and bool.

    The conversion to float happens per batch, on the device.
    """

    def __init__(self, images: ImageSet, poses: PoseSet, device: torch.device | str = "cpu"):
        if images.names != poses.picture_names:
            raise InputError(
                "the pictures and the key points are not of the same run: run the download and "
                "pose-heatmaps stages again"
            )
        self.device, self.part = torch.device(device), poses.part
        self.names, self.identities = images.names, images.identities
        self.images = torch.as_tensor(images.images).to(self.device)
        self.keypoints = torch.as_tensor(poses.keypoints).to(self.device)
        self.masks = torch.as_tensor(poses.masks()).to(self.device)
        self.pairs = torch.as_tensor(poses.pairs).long()
        self.height, self.width = self.images.shape[1:3]

    @staticmethod
    def packed(data: Path, split: str) -> Path:
        """The path of the packed images that a split refers to."""
        part = PoseSet.part_of(data / "poses" / f"{split}.safetensors")
        return data / "download" / f"{part}.safetensors"

    def batch(self, pairs: Tensor, flip: Tensor | None = None) -> Batch:
        """pairs: (B, 2), positions of source and target; flip: bool (B,), pairs to mirror."""
        # a copy to a GPU would otherwise wait for the step before
        copy = {"non_blocking": self.device.type == "cuda"}
        pairs = pairs.to(self.device, **copy)
        if flip is not None:
            flip = flip.to(self.device, **copy)
        I_a, K_a, _ = self._view(pairs[:, 0], flip)
        I_b, K_b, M_b = self._view(pairs[:, 1], flip)
        return Batch(I_a, K_a, I_b, K_b, M_b)

    def _view(self, index: Tensor, flip: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        images, keypoints, masks = self.images[index], self.keypoints[index], self.masks[index]
        if flip is not None:
            images = torch.where(flip[:, None, None, None], images.flip(2), images)
            masks = torch.where(flip[:, None, None], masks.flip(2), masks)
            keypoints = torch.where(flip[:, None, None], self._mirror(keypoints), keypoints)
        return from_uint8(images), keypoints.float(), masks[:, None].float()

    def _mirror(self, keypoints: Tensor) -> Tensor:
        mirrored = keypoints[:, constant(MIRRORED, self.device)]
        found = mirrored[..., 1] >= 0
        mirrored[..., 1] = torch.where(found, self.width - 1 - mirrored[..., 1], -1)
        return mirrored


def load_pairs(data: Path, splits: Iterable[str], device: torch.device | str) -> list[PairData]:
    """The images and poses of splits under data/<dataset>.

    Splits of one packed file share its images on the device: those of DeepFashion take 9 GB.
    """

    @functools.cache
    def images(packed: Path) -> ImageSet:
        loaded = ImageSet.load(packed, "pt")
        return replace(loaded, images=torch.as_tensor(loaded.images).to(device))

    poses = {split: PoseSet.load(data / "poses" / f"{split}.safetensors") for split in splits}
    return [PairData(images(PairData.packed(data, s)), poses[s], device) for s in splits]


def from_uint8(images: Tensor) -> Tensor:
    """uint8 (B, H, W, 3) -> (B, 3, H, W) in [-1, 1], channels last in memory."""
    # a permuted (B, H, W, C) tensor is channels last already
    return images.permute(0, 3, 1, 2).float() / 127.5 - 1


def to_uint8(images: Tensor) -> np.ndarray:
    """(B, 3, H, W) in [-1, 1] -> uint8 (B, H, W, 3), rounded to the nearest value."""
    pixels = ((images.float() + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
    return pixels.permute(0, 2, 3, 1).contiguous().cpu().numpy()
