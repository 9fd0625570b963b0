"""Heat maps P of poses, on any device. Key points are as in vdg.pose."""

import functools

import torch

from vdg.pose import HEAT_MAP_SIGMA


def constant(values: tuple, device: torch.device) -> torch.Tensor:
    """torch.tensor(values) on a device.

    On a GPU it is made once, so never write into it: a copy from the CPU would wait for all work
    before it, and could not be recorded in a CUDA graph.
    """
    if device.type == "cuda":
        return _kept(values, str(values), device)
    return torch.tensor(values, device=device)


@functools.cache
def _kept(values, _text, device):  # the text tells (0, 1) from (False, True)
    with torch.inference_mode(False):  # else it could not be used in training
        return torch.tensor(values, device=device)


def heat_maps(
    keypoints: torch.Tensor, height: int, width: int, sigma: float | None = None
) -> torch.Tensor:
    """Gaussian heat maps P (Siarohin et al., CVPR 2018).

    keypoints: (B, 18, 2), (y, x) in pixels, negative = missing.
    sigma: pixels; by default HEAT_MAP_SIGMA at a height of 128, scaled with the height.
    Returns (B, 18, height, width) in [0, 1], laid out channels last as the pictures are: peak 1 at
    the joint, a zero map where it is missing.
    """
    keypoints = keypoints.to(torch.float32)
    sigma = HEAT_MAP_SIGMA * height / 128 if sigma is None else sigma
    scale = 2 * sigma**2
    rows = torch.arange(height, device=keypoints.device, dtype=torch.float32)[:, None]
    columns = torch.arange(width, device=keypoints.device, dtype=torch.float32)[:, None]
    y, x = keypoints[:, None, :, 0], keypoints[:, None, :, 1]
    found = (y >= 0) & (x >= 0)
    # a 2D Gaussian is the product of two 1D Gaussians
    along_y = torch.exp(-((rows - y) ** 2) / scale) * found
    along_x = torch.exp(-((columns - x) ** 2) / scale)
    return (along_y[:, :, None] * along_x[:, None]).permute(0, 3, 1, 2)


def capped_heat_maps(keypoints: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """`heat_maps` as Def-GAN's and PATN's code draws them: sigma is 6 px at heights of 128 and of
    256 alike, and less where the image is smaller."""
    sigma = HEAT_MAP_SIGMA * min(1, height / 128)
    return heat_maps(keypoints, height, width, sigma)
