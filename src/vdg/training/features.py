"""Frozen ImageNet features for perceptual losses.

Only the first layers are used, so that the features have the resolution of the image.
"""

from pathlib import Path
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vdg.backbones import (
    EFFICIENTNET_MEAN,
    EFFICIENTNET_SCALE,
    efficientnet_lite0,
    hub_file,
)

FeatureName = Literal["none", "vgg19", "efficientnet-lite0"]
OUTSIDE = -10_000.0
"""Padding value outside the range of features, so that padding is never the nearest neighbour."""


class Features(nn.Module):
    """Images (B, 3, H, W) in [-1, 1] -> features (B, C, H, W) of frozen layers, in float32.

    mean, std: three numbers each, statistics of the layers' training images in [-1, 1].
    stride: of the layers; the image is upscaled by this factor first.
    """

    def __init__(self, layers: nn.Module, mean: list[float], std: list[float], stride: int = 1):
        super().__init__()
        self.layers, self.stride = layers, stride
        self.register_buffer("mean", torch.tensor(mean)[:, None, None])
        self.register_buffer("std", torch.tensor(std)[:, None, None])
        self.requires_grad_(False)

    def forward(self, images: Tensor) -> Tensor:
        with torch.autocast(images.device.type, enabled=False):
            x = (images.float() - self.mean) / self.std
            if self.stride > 1:
                x = F.interpolate(x, scale_factor=self.stride, mode="bilinear")
            return self.layers(x)


def load_features(name: FeatureName) -> Features | None:
    """Load features by name, a system's setting `features`; None for "none".

    "vgg19": block1_conv2 after ReLU (64 channels) of torchvision's ImageNet VGG19.
    "efficientnet-lite0": the stem of ImageNet EfficientNet-Lite0 (3x3 stride 2, ReLU6,
        32 channels) on the image enlarged twofold. A stand-in that needs no download.

    Raises InputError where the weights are missing or damaged.
    """
    return {"none": lambda: None, "vgg19": _vgg19, "efficientnet-lite0": _efficientnet}[name]()


def _vgg19() -> Features:
    from torchvision.models import VGG19_Weights  # takes two seconds to import

    layers = nn.Sequential(
        nn.Conv2d(3, 64, 3, padding=1), nn.ReLU(), nn.Conv2d(64, 64, 3, padding=1), nn.ReLU()
    )
    url = VGG19_Weights.IMAGENET1K_V1.url
    hash_ = Path(url).stem.rpartition("-")[2]
    instead = "set features to efficientnet-lite0 or none"
    file = hub_file(url, hash_, "features: vgg19", instead)
    weights = torch.load(file, map_location="cpu", weights_only=True)
    layers.load_state_dict({key: weights[f"features.{key}"] for key in layers.state_dict()})
    normalisation = VGG19_Weights.IMAGENET1K_V1.transforms()  # of images in [0, 1]
    mean, std = [2 * m - 1 for m in normalisation.mean], [2 * s for s in normalisation.std]
    return Features(layers, mean, std)


def _efficientnet() -> Features:
    stem = efficientnet_lite0()._conv_stem  # its batch-norm merged into it
    # (127.5 x + 127.5 - mean) / scale, as (x - mean) / std
    mean, std = (EFFICIENTNET_MEAN - 127.5) / 127.5, EFFICIENTNET_SCALE / 127.5
    return Features(nn.Sequential(stem, nn.ReLU6()), [mean] * 3, [std] * 3, stride=2)


def perceptual_loss(V_hat: Tensor, V_b: Tensor) -> Tensor:
    """mean |V(I_hat) - V(I_b)| (Johnson et al., ECCV 2016, with L1). Features: (B, C, H, W)."""
    return (V_hat - V_b).abs().mean()


def nearest_neighbour_loss(V_hat: Tensor, V_b: Tensor, window: int) -> Tensor:
    """mean_p min_q sum_c |V_b(q) - V_hat(p)|, q in the window x window pixels around p.

    V_hat, V_b: features of the generated and the target image, (B, C, H, W). window: odd.
    Source: Siarohin et al., CVPR 2018; the sum over channels as in their code.
    """
    height, width = V_hat.shape[-2:]
    padded = F.pad(V_b, [window // 2] * 4, value=OUTSIDE)
    nearest = None
    for i in range(window):
        for j in range(window):
            shifted = padded[..., i : i + height, j : j + width]
            distance = (shifted - V_hat).abs().sum(1)
            nearest = distance if nearest is None else torch.minimum(nearest, distance)
    return nearest.mean()
