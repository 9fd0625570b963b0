"""Building blocks that the generators and discriminators of every system share."""

import itertools

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Residual(nn.Module):
    """x + two 3x3 convolutions of x, each after batch-norm and ReLU: (B, C, H, W), unchanged.

    Pre-activation form (He et al., ECCV 2016). Batch-norm, unlike instance-norm, keeps the mean
    colour of a picture, which is what a garment is.
    """

    def __init__(self, channels: int):
        super().__init__()
        self.layers = nn.Sequential(
            *activation(channels),
            nn.Conv2d(channels, channels, 3, padding=1),
            *activation(channels),
            nn.Conv2d(channels, channels, 3, padding=1),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x)


def activation(channels: int) -> tuple[nn.Module, nn.Module]:
    """Batch-norm and ReLU."""
    return nn.BatchNorm2d(channels), nn.ReLU(inplace=True)


def level_widths(width: int, depth: int, max_width: int) -> list[int]:
    """Channels at half the resolution and at each of `depth` further downsampling levels.

    They double up to `max_width`, so that every level costs about the same.
    """
    return [min(width * 2**level, max(max_width, width)) for level in range(depth + 1)]


def mirror_edges(images: Tensor, margin: int) -> Tensor:
    """Reflect padding: (B, C, H, W) -> (B, C, H + 2 margin, W + 2 margin).

    By slices alone, because F.pad's gradient is not deterministic on CUDA.
    """
    for axis in (-1, -2):
        length = images.shape[axis]
        first = images.narrow(axis, 1, margin).flip(axis)
        last = images.narrow(axis, length - margin - 1, margin).flip(axis)
        images = torch.cat([first, images, last], axis)
    return images


class Encoder(nn.Module):
    """(B, in_channels, H, W) -> features at every level, finest first.

    Level i has the resolution H / 2^(i+1), W / 2^(i+1) and `widths[i]` channels: the stem halves
    the resolution at once, because a convolution at full resolution costs more than a level.
    """

    def __init__(self, in_channels: int, widths: list[int]):
        super().__init__()
        self.stem = nn.Conv2d(in_channels, widths[0], 4, stride=2, padding=1)
        self.down = nn.ModuleList(
            nn.Sequential(*activation(a), nn.Conv2d(a, b, 4, stride=2, padding=1), Residual(b))
            for a, b in itertools.pairwise(widths)
        )

    def forward(self, x: Tensor) -> list[Tensor]:
        features = [self.stem(x)]
        for down in self.down:
            features.append(down(features[-1]))
        return features


class Decoder(nn.Module):
    """Bottleneck features and skip connections -> (B, out_channels, H, W).

    widths: channels per level, finest first. skips: channels of the skip connection per level.
    Upsampling is nearest-neighbour then a convolution: transposed convolutions leave a
    checkerboard (Odena, Dumoulin, Olah, Distill 2016), and so does a pixel shuffle against an
    adversary.
    """

    def __init__(self, widths: list[int], skips: list[int], out_channels: int):
        super().__init__()
        self.up = nn.ModuleList(
            nn.Sequential(*activation(b + skip), nn.Conv2d(b + skip, a, 3, padding=1), Residual(a))
            for (a, b), skip in zip(itertools.pairwise(widths), skips, strict=True)
        )
        last = nn.Conv2d(widths[0], out_channels, 3, padding=1)
        self.out = nn.Sequential(*activation(widths[0]), nn.Upsample(scale_factor=2), last)

    def forward(self, x: Tensor, skips: list[Tensor]) -> Tensor:
        for up, skip in reversed(list(zip(self.up, skips, strict=True))):
            x = F.interpolate(x, scale_factor=2, mode="nearest")
            x = up(torch.cat([x, skip], 1))
        return self.out(x)
