"""A discriminator on frozen features.

Source: Sauer, Chitta, Müller, Geiger, "Projected GANs Converge Faster", NeurIPS 2021.
"""

import itertools

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from vdg.backbones import EFFICIENTNET_MEAN, EFFICIENTNET_SCALE, efficientnet_lite0

TAPS = {2: 24, 4: 40, 10: 112, 15: 320}
"""Blocks of EfficientNet-Lite0 with their channels: the last of strides 4, 8, 16 and 32."""
MIXED = [32, 64, 64, 64]
"""Channels of the levels after mixing, finest first."""


class ProjectedDiscriminator(nn.Module):
    """Logits of "real" from four levels of ImageNet features: (B, 3, H, W) -> 4 x (B, 1, h, w).

    The features of EfficientNet-Lite0 are mixed across channels by random 1x1 convolutions, then,
    from coarse to fine, across levels by random 3x3 ones, so that the discriminator cannot attend
    to a few of them. Both and the network are frozen; `heads` train. The image lies in [-1, 1],
    beyond which it is not clamped, and is seen at its own size.

    width: channels of the heads, which bring all levels to a stride of 16, or 32 for the last.
    """

    def __init__(self, width: int):
        super().__init__()
        with torch.device("cpu"):  # even where networks are built without weights, as a check
            self.network = efficientnet_lite0().to(memory_format=torch.channels_last)
            self.network._fc = nn.Identity()
        across_channels = zip(TAPS.values(), MIXED, strict=True)
        self.channels = nn.ModuleList(_random(a, b, 1) for a, b in across_channels)
        self.levels = nn.ModuleList(_random(b, a, 3) for a, b in itertools.pairwise(MIXED))
        self.heads = nn.ModuleList(
            _head(channels, width, halvings)
            for channels, halvings in zip(MIXED, (2, 1, 0, 0), strict=True)
        )

    def forward(self, images: Tensor) -> list[Tensor]:
        return [head(x) for head, x in zip(self.heads, self.mixed(images), strict=True)]

    def mixed(self, images: Tensor) -> list[Tensor]:
        """Mixed features, finest first: (B, MIXED[i], H / 2^(i+2), W / 2^(i+2))."""
        levels = [mix(x) for mix, x in zip(self.channels, self.features(images), strict=True)]
        for i in reversed(range(len(self.levels))):
            coarse = F.interpolate(levels[i + 1], size=levels[i].shape[2:], mode="bilinear")
            levels[i] = levels[i] + self.levels[i](coarse)
        return levels

    def features(self, images: Tensor) -> list[Tensor]:
        """Outputs of the blocks TAPS."""
        network = self.network
        x = ((images + 1) * 127.5 - EFFICIENTNET_MEAN) / EFFICIENTNET_SCALE
        x = network._swish(network._bn0(network._conv_stem(x)))
        outputs = []
        for index, block in enumerate(network._blocks):
            x = block(x)
            if index in TAPS:
                outputs.append(x)
        return outputs


def _random(inputs: int, outputs: int, kernel: int) -> nn.Module:
    layer = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False)
    nn.init.kaiming_normal_(layer.weight, nonlinearity="linear")
    return layer.requires_grad_(False)


def _head(channels: int, width: int, halvings: int) -> nn.Module:
    layers: list[nn.Module] = []
    for _ in range(halvings):
        layers += [nn.Conv2d(channels, width, 4, stride=2, padding=1), nn.LeakyReLU(0.2)]
        channels = width
    layers += [nn.Conv2d(channels, width, 3, padding=1), nn.LeakyReLU(0.2), nn.Conv2d(width, 1, 1)]
    return nn.Sequential(*(spectral_norm(x) if isinstance(x, nn.Conv2d) else x for x in layers))
