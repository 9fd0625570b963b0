"""Batches of image pairs and key points, built from packed files on the training device."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from vdg.data.images import ImageSet
from vdg.data.pose_set import PoseSet
from vdg.errors import InputError
from vdg.heat_maps import constant
from vdg.large_arrays import CHUNK, Array
from vdg.pose import MIRRORED

SHARE = 0.4
"""Of a GPU's memory, the most that images and masks may take."""


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
    """Images, key points and masks of one split, whose batches are made on `device`.

    pixels: the images on the device, uint8 (N, H, W, 3), where the masks then are, too, as bits;
    None: both are read from their files, batch by batch. The conversion to float happens per batch,
    on the device.
    """

    def __init__(
        self,
        images: ImageSet,
        poses: PoseSet,
        device: torch.device | str = "cpu",
        pixels: Tensor | None = None,
    ):
        if images.names != poses.picture_names:
            raise InputError(
                "the pictures and the key points are not of the same run: run the download and "
                "pose-heatmaps stages again"
            )
        self.device, self.part = torch.device(device), poses.part
        self.names, self.identities = images.names, images.identities
        self.images, self.masks = images.images, poses.masks()
        self.height, self.width = poses.size
        self.on_device = pixels is not None
        # on a CPU another thread would only take the time that it saves
        self.read_ahead = self.device.type == "cuda" and not self.on_device
        self._pixels = pixels if self.on_device else images.images
        self._bits = moved(poses.mask_bits, self.device) if self.on_device else poses.mask_bits
        self.keypoints = torch.as_tensor(poses.keypoints).to(self.device)
        self.pairs = torch.as_tensor(poses.pairs).long()

    @staticmethod
    def packed(data: Path, split: str) -> Path:
        """The path of the packed images that a split refers to."""
        part = PoseSet.part_of(data / "poses" / f"{split}.safetensors")
        return data / "download" / f"{part}.safetensors"

    def batch(self, pairs: Tensor, flip: Tensor | None = None) -> Batch:
        """pairs: (B, 2), positions of source and target; flip: bool (B,), pairs to mirror."""
        return self.finish(self.gather(pairs), flip)

    def gather(self, pairs: Tensor) -> "Gathered":
        """What a batch needs from the files, where it is not on the device."""
        pairs = self._copied(pairs) if self.on_device else pairs
        a, b = pairs.unbind(1)
        taken = (_take(self._pixels, a), _take(self._pixels, b), _take(self._bits, b))
        if self.read_ahead and self.device.type == "cuda":
            # so that the copy to the GPU need not wait for the steps before it
            taken = tuple(part.pin_memory() for part in taken)
        return Gathered(pairs, *taken)

    def finish(self, gathered: "Gathered", flip: Tensor | None = None) -> Batch:
        """The batch, on the device. flip: as for `batch`."""
        pairs, *pixels, bits = map(self._copied, gathered)
        flip = None if flip is None else self._copied(flip)
        (I_a, K_a), (I_b, K_b) = (
            self._view(images, index, flip)
            for images, index in zip(pixels, pairs.unbind(1), strict=True)
        )
        masks = unpacked(bits, self.height, self.width)
        if flip is not None:
            masks = torch.where(flip[:, None, None], masks.flip(2), masks)
        return Batch(I_a, K_a, I_b, K_b, masks[:, None].float())

    def _copied(self, tensor: Tensor) -> Tensor:
        # a copy to a GPU would otherwise wait for the step before
        return tensor.to(self.device, non_blocking=self.device.type == "cuda")

    def _view(self, images: Tensor, index: Tensor, flip: Tensor | None) -> tuple[Tensor, Tensor]:
        keypoints = self.keypoints[index]
        if flip is not None:
            images = torch.where(flip[:, None, None, None], images.flip(2), images)
            keypoints = torch.where(flip[:, None, None], self._mirror(keypoints), keypoints)
        return from_uint8(images), keypoints.float()

    def _mirror(self, keypoints: Tensor) -> Tensor:
        mirrored = keypoints[:, constant(MIRRORED, self.device)]
        found = mirrored[..., 1] >= 0
        mirrored[..., 1] = torch.where(found, self.width - 1 - mirrored[..., 1], -1)
        return mirrored


class Gathered(NamedTuple):
    """Of B pairs: positions (B, 2), images uint8 (B, H, W, 3), bits of the targets' masks."""

    pairs: Tensor
    sources: Tensor
    targets: Tensor
    bits: Tensor


def _take(array: Tensor | Array, index: Tensor) -> Tensor:
    if isinstance(array, Tensor):
        return array[index]
    return torch.as_tensor(array[index.cpu().numpy()])


def moved(array: Array, device: torch.device) -> Tensor:
    """An array of bytes on a device, copied in parts, because it may exceed the memory."""
    copy = torch.empty(array.shape, dtype=torch.uint8, device=device)
    for start in range(0, len(array), CHUNK):
        chunk = slice(start, start + CHUNK)
        copy[chunk] = torch.as_tensor(array[chunk])
    return copy


def unpacked(bits: Tensor, height: int, width: int) -> Tensor:
    """Masks of `vdg.large_arrays.bits`, on any device: bool (B, H, W)."""
    places = torch.arange(7, -1, -1, dtype=torch.uint8, device=bits.device)
    flat = (bits[..., None] >> places & 1).bool().flatten(1)
    return flat[:, : height * width].unflatten(1, (height, width))


def load_pairs(
    data: Path, splits: Iterable[str], device: torch.device | str, on_device: bool | str = False
) -> list[PairData]:
    """The images and poses of splits under data/<dataset>.

    on_device: whether images and masks lie on the device; "auto": on a GPU, if they take at most
    SHARE of its memory. Splits of one packed file share its images there.
    """
    device = torch.device(device)
    poses = {split: PoseSet.load(data / "poses" / f"{split}.safetensors") for split in splits}
    packed = {split: PairData.packed(data, split) for split in splits}
    images = {path: ImageSet.open(path) for path in set(packed.values())}
    if on_device == "auto":
        arrays = [opened.images for opened in images.values()]
        arrays += [pose.mask_bits for pose in poses.values()]
        on_device = _fit(sum(math.prod(array.shape) for array in arrays), device)
    pixels = {path: moved(images[path].images, device) for path in images if on_device}
    return [
        PairData(images[packed[split]], poses[split], device, pixels.get(packed[split]))
        for split in splits
    ]


def _fit(size: int, device: torch.device) -> bool:
    return device.type == "cuda" and size <= SHARE * torch.cuda.mem_get_info(device)[1]


def from_uint8(images: Tensor) -> Tensor:
    """uint8 (B, H, W, 3) -> (B, 3, H, W) in [-1, 1], channels last in memory."""
    # a permuted (B, H, W, C) tensor is channels last already
    return images.permute(0, 3, 1, 2).float() / 127.5 - 1


def to_uint8(images: Tensor) -> np.ndarray:
    """(B, 3, H, W) in [-1, 1] -> uint8 (B, H, W, 3), rounded to the nearest value."""
    pixels = ((images.float() + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
    return pixels.permute(0, 2, 3, 1).contiguous().cpu().numpy()
