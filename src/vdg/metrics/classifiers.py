"""The networks behind IS and FID: uint8 images in, features and class probabilities out."""

from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

from vdg.backbones import (
    EFFICIENTNET_MEAN,
    EFFICIENTNET_SCALE,
    efficientnet_file,
    efficientnet_lite0,
    hub_file,
)
from vdg.errors import InputError

INCEPTION_SHA256 = "6726825d"
INCEPTION_SIDE = 299
# Small crops gain no detail at the native 224, and 128 is four times as fast on a CPU (about 180
# images/s on 2 cores). Below 128, the network no longer recognises everyday objects.
EFFICIENTNET_SIDE = 128
BATCH = 16  # larger batches exceed the CPU's cache


@dataclass(frozen=True)
class Classifier:
    """A network and the preprocessing it was trained with.

    A call takes uint8 RGB images (N, 3, H, W). It returns features (N, D) and class probabilities
    softmax(head(features)) (N, K), both float32 on the CPU. Images are resized bilinearly to
    side x side, ignoring the aspect ratio, and scaled to (image - mean) / scale, about [-1, 1].
    """

    name: str  # as in a column heading: "IS (name)"
    network: nn.Module  # scaled images -> features
    head: nn.Linear
    side: int  # pixels
    mean: float  # grey levels
    scale: float  # grey levels

    @torch.no_grad()
    def __call__(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        features, probabilities = [], []
        # full float32 and deterministic algorithms, so that GPU and CPU scores agree
        with torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False):
            for batch in images.split(BATCH):
                x = batch.to(self.head.weight.device).float()
                x = F.interpolate(x, (self.side, self.side), mode="bilinear", align_corners=False)
                x = ((x - self.mean) / self.scale).contiguous(memory_format=torch.channels_last)
                features.append(self.network(x))
                probabilities.append(self.head(features[-1]).softmax(1))
        return torch.cat(features).cpu(), torch.cat(probabilities).cpu()


def load(name: str, device="cpu") -> Classifier:
    """Load a classifier by name, ready for inference on `device`.

    "inception-2015": the 2015-12-05 Inception network of the field's IS and FID scripts, as ported
        by pytorch-fid, with pytorch-fid's preprocessing (299 x 299, range [-1, 1]). D = 2048 pool
        features; K = 1008 outputs without bias, because the original script multiplies by the
        weight matrix only.
    "efficientnet-lite0": ImageNet EfficientNet-Lite0, D = 1280, K = 1000, at EFFICIENTNET_SIDE
        pixels, scaled as in its TensorFlow source (mean 127, scale 128). An offline stand-in: its
        scores are not comparable with published ones.

    Raises InputError as `check_available` does.
    """
    check_available(name)
    _, build = CLASSIFIERS[name]
    classifier = build()
    for module in (classifier.network, classifier.head):
        module.eval().requires_grad_(False)
        module.to(device, memory_format=torch.channels_last)
    return classifier


def check_available(name: str) -> None:
    """Raise InputError unless the weights of classifier `name` exist or can be downloaded."""
    if name not in CLASSIFIERS:
        raise InputError(f"unknown classifier {name!r}: choose from {', '.join(CLASSIFIERS)}")
    find, _ = CLASSIFIERS[name]
    find()


def _inception_file() -> Path:
    from pytorch_fid.inception import FID_WEIGHTS_URL

    return hub_file(
        FID_WEIGHTS_URL,
        INCEPTION_SHA256,
        "the classifier inception-2015",
        "set dataset.<name>.evaluation.classifier=efficientnet-lite0, the offline stand-in",
    )


def _inception() -> Classifier:
    from pytorch_fid.inception import fid_inception_v3

    network = fid_inception_v3()  # which reads the file that was checked
    head, network.fc = network.fc, nn.Identity()
    head.bias = None
    return Classifier("Inception-2015", network, head, INCEPTION_SIDE, 127.5, 127.5)


def _efficientnet() -> Classifier:
    network = efficientnet_lite0(EFFICIENTNET_SIDE)
    head, network._fc = network._fc, nn.Identity()
    scaling = (EFFICIENTNET_MEAN, EFFICIENTNET_SCALE)
    return Classifier("EfficientNet-Lite0", network, head, EFFICIENTNET_SIDE, *scaling)


CLASSIFIERS = {
    "inception-2015": (_inception_file, _inception),
    "efficientnet-lite0": (efficientnet_file, _efficientnet),
}
