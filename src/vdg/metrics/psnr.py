"""Peak signal-to-noise ratio."""

import torch
from torch import Tensor


def psnr(x: Tensor, y: Tensor) -> Tensor:
    """10 log10(255^2 / MSE) of each image pair, in decibels: (N,), float64.

    x, y: uint8 (N, C, H, W). The mean squared error is over all pixels and channels. Equal images,
    whose PSNR is infinite, get that of the smallest difference which bytes can have, one value off
    by one: 10 log10(255^2 C H W). It is finite, as a mean over pairs and JSON need it to be, and
    above that of any other pair.
    """
    values = x[0].numel()
    error = (x.double() - y.double()).square().sum((1, 2, 3)).clamp(min=1) / values
    return 10 * torch.log10(255**2 / error)
