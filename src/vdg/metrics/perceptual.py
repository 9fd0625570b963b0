"""LPIPS (Zhang et al., CVPR 2018), an opt-in metric; the user installs its package."""

import warnings

import torch
from torch import Tensor

from vdg.backbones import hub_file
from vdg.errors import InputError

HASH = "7be5be79"
SMALLEST = 31  # pixels of a side: AlexNet's strides and poolings leave nothing of 30
URL = f"https://download.pytorch.org/models/alexnet-owt-{HASH}.pth"


def check_available() -> None:
    """Raise InputError unless lpips is installed and its AlexNet weights exist or download."""
    try:
        import lpips  # noqa: F401
    except ImportError as error:
        raise InputError(
            "evaluation.lpips needs the package lpips: run `pip install lpips`, or set it to false"
        ) from error
    hub_file(URL, HASH, "evaluation.lpips", "set evaluation.lpips to false")


class Perceptual:
    """LPIPS with AlexNet: 0 for equal images; lower is better."""

    def __init__(self, device: torch.device | str = "cpu"):
        check_available()
        import lpips

        self.device = device
        with warnings.catch_warnings():  # lpips calls torchvision as old versions of it were
            warnings.filterwarnings("ignore", category=UserWarning, module="torchvision")
            network = lpips.LPIPS(net="alex", verbose=False)
        self.network = network.to(device).eval()

    @torch.no_grad()
    def __call__(self, x: Tensor, y: Tensor) -> Tensor:
        """x, y: uint8 (N, 3, H, W), no side below SMALLEST. Returns (N,), on the CPU."""
        x, y = (image.to(self.device).float() / 127.5 - 1 for image in (x, y))
        return self.network(x, y).flatten().cpu()
