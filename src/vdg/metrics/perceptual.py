"""LPIPS (Zhang et al., CVPR 2018), an opt-in metric; the user installs its package."""

from pathlib import Path

import torch
from torch import Tensor

from vdg.errors import InputError
from vdg.files import sha256

BACKBONE = "alexnet-owt-7be5be79.pth"
URL = f"https://download.pytorch.org/models/{BACKBONE}"


def check_available() -> None:
    """Raise InputError unless lpips is installed and its AlexNet weights exist or download."""
    try:
        import lpips  # noqa: F401
    except ImportError as error:
        raise InputError(
            "evaluation.lpips needs the package lpips: run `pip install lpips`, or set it to false"
        ) from error
    path = Path(torch.hub.get_dir(), "checkpoints", BACKBONE)
    expected = path.stem.rpartition("-")[2]
    try:
        if not path.is_file():
            path.parent.mkdir(parents=True, exist_ok=True)
            torch.hub.download_url_to_file(URL, path, expected, progress=False)
        problem = "" if sha256(path).startswith(expected) else f"{path} has another hash"
    except (OSError, RuntimeError) as error:  # RuntimeError: the download's hash is wrong
        problem = f"the download failed ({error})"
    if problem:
        raise InputError(
            f"evaluation.lpips needs {URL} in {path.parent}, but {problem}: put it there, or set "
            "evaluation.lpips to false"
        )


class Perceptual:
    """LPIPS with AlexNet: 0 for equal images; lower is better."""

    def __init__(self, device: torch.device | str = "cpu"):
        check_available()
        import lpips

        self.device = device
        self.network = lpips.LPIPS(net="alex", verbose=False).to(device).eval()

    @torch.no_grad()
    def __call__(self, x: Tensor, y: Tensor) -> Tensor:
        """x, y: uint8 (N, 3, H, W). Returns (N,), on the CPU."""
        x, y = (image.to(self.device).float() / 127.5 - 1 for image in (x, y))
        return self.network(x, y).flatten().cpu()
