"""MoveNet Thunder: estimates the 17 COCO joints of the person nearest to the image centre.

The network is a MobileNetV2 of width 1.75 (Sandler et al., CVPR 2018) with a feature pyramid and
four heads on a grid of 64 x 64 cells, as in CenterNet (Zhou et al., 2019). Google published it in
2021 under the Apache license 2.0 (tfhub.dev/google/movenet/singlepose/thunder/4).
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SIZE = 256  # height and width of the input
GRID = 64  # height and width of the heads' maps
STEM = 56
# (output channels, stride) of each block; the pyramid uses the outputs of blocks 9, 5 and 2
BLOCKS = [(32, 1), (40, 2), (40, 1), (56, 2), (56, 1), (56, 1), (112, 2), *3 * [(112, 1)]]
BLOCKS += [*3 * [(168, 1)], (280, 2), *2 * [(280, 1)], (560, 1)]
TAPS = (9, 5, 2)
LAST = 1280
PYRAMID = [64, 32, 24, 24]
HEADS = {"center": 1, "regress": 34, "heatmap": 17, "offset": 34}
HEAD_WIDTH = 96
NEARNESS = 1.8  # cells; scores are divided by (distance + NEARNESS)


class Conv(nn.Conv2d):
    """A convolution with TensorFlow's SAME padding, for even input sizes.

    At stride 2, a 3 x 3 kernel pads one row at the bottom and one column at the right only.
    """

    def __init__(self, inputs, outputs, kernel=1, stride=1, depthwise=False, bias=True):
        groups = inputs if depthwise else 1
        super().__init__(inputs, outputs, kernel, stride, groups=groups, bias=bias)
        before = (kernel - stride) // 2
        self.before_after = before, kernel - stride - before

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(F.pad(x, 2 * self.before_after))


class Block(nn.Module):
    """MobileNetV2's inverted residual, with batch-norm folded into the convolutions."""

    def __init__(self, inputs: int, outputs: int, stride: int, expansion: int):
        super().__init__()
        width = inputs * expansion
        self.expand = nn.Identity() if expansion == 1 else Conv(inputs, width)
        self.depthwise = Conv(width, width, 3, stride, depthwise=True)
        self.project = Conv(width, outputs)
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        y = self.project(F.relu6(self.depthwise(F.relu6(self.expand(x)))))
        return x + y if self.residual else y


class Separable(nn.Module):
    """Depthwise convolution, pointwise convolution, ReLU."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.depthwise = Conv(inputs, inputs, 3, depthwise=True, bias=False)
        self.pointwise = Conv(inputs, outputs)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.pointwise(self.depthwise(x)))


class MoveNet(nn.Module):
    """(B, 3, 256, 256), RGB in [0, 255] -> (B, 17, 3): y, x and score of COCO's joints.

    y and x are fractions of height and width and may lie slightly outside [0, 1]; scores are in
    [0, 1].
    """

    def __init__(self):
        super().__init__()
        channels = [STEM, *(outputs for outputs, _ in BLOCKS)]
        self.stem = Conv(3, STEM, 3, 2)
        self.blocks = nn.ModuleList(
            Block(inputs, outputs, stride, 6 if index else 1)
            for index, (inputs, (outputs, stride)) in enumerate(zip(channels, BLOCKS, strict=False))
        )
        self.last = Conv(channels[-1], LAST)
        taken = [LAST, *(BLOCKS[tap][0] for tap in TAPS)]
        self.laterals = nn.ModuleList(map(Conv, taken, PYRAMID[:1] + PYRAMID[:3]))
        self.merges = nn.ModuleList(map(Separable, PYRAMID, PYRAMID[1:]))
        self.heads = nn.ModuleDict({name: _head(outputs) for name, outputs in HEADS.items()})

    def forward(self, images: Tensor) -> Tensor:
        maps = self.maps(images)
        likely = _likeliest(maps["center"].sigmoid(), torch.full((1, 1, 2), GRID // 2))
        return decode(likely[:, 0], maps)

    def maps(self, images: Tensor) -> dict[str, Tensor]:
        """Outputs of the heads by name, with K channels as in HEADS: (B, K, 64, 64)."""
        features = self.pyramid(images / 127.5 - 1)
        return {name: head(features) for name, head in self.heads.items()}

    def pyramid(self, x: Tensor) -> Tensor:
        """Scaled images (B, 3, 256, 256) in [-1, 1] -> features of the grid (B, 24, 64, 64)."""
        x = F.relu6(self.stem(x))
        outputs = []
        for block in self.blocks:
            outputs.append(x := block(x))
        x = self.laterals[0](F.relu6(self.last(x)))
        for tap, lateral, merge in zip(TAPS, self.laterals[1:], self.merges, strict=True):
            x = F.interpolate(x, scale_factor=2, mode="bilinear")
            x = merge(x + lateral(outputs[tap]))
        return x


def _head(outputs: int) -> nn.Module:
    return nn.Sequential(Separable(PYRAMID[-1], HEAD_WIDTH), Conv(HEAD_WIDTH, outputs))


def decode(center: Tensor, maps: dict[str, Tensor]) -> Tensor:
    """Decode the joints of the person whose centre lies in the given cell.

    center: (B,), index of the cell, 64 * row + column.
    maps: "regress" (B, 34, 64, 64), (y, x) of each joint relative to a person's centre, in cells;
        "heatmap" (B, 17, 64, 64), logits of the joints; "offset" (B, 34, 64, 64), (y, x) of each
        joint within its cell.

    Returns (B, 17, 3), as `MoveNet`.
    """
    center = center[:, None].expand(-1, 34)
    expected = _cell(center[:, :1]) + _at(maps["regress"], center).unflatten(1, (17, 2))
    scores = maps["heatmap"].sigmoid()
    peaks = _likeliest(scores, expected)  # (B, 17)
    inside = _at(maps["offset"], peaks.repeat_interleave(2, 1)).unflatten(1, (17, 2))
    return torch.cat([(_cell(peaks) + inside) / GRID, _at(scores, peaks)[..., None]], 2)


def _likeliest(scores: Tensor, places: Tensor) -> Tensor:
    """Index (B, K) of the best cell in each map (B, K, 64, 64), weighted by nearness to a place.

    places: (B or 1, K, 2), row and column.
    """
    grid = _cell(torch.arange(GRID**2, device=scores.device))  # (4096, 2)
    away = torch.linalg.vector_norm(grid - places.to(scores)[:, :, None], dim=3)
    return (scores.flatten(2) / (away + NEARNESS)).argmax(2)


def _cell(index: Tensor) -> Tensor:
    """Cell indices (B, K) -> rows and columns (B, K, 2)."""
    return torch.stack([index // GRID, index % GRID], -1)


def _at(maps: Tensor, index: Tensor) -> Tensor:
    """Values (B, K) of the maps (B, K, 64, 64) at the cells `index` (B, K)."""
    return maps.flatten(2).gather(2, index[..., None])[..., 0]
