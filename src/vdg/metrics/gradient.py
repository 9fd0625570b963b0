"""Gradient magnitude of images, of which sharpness is the ratio."""

import torch
import torch.nn.functional as F

REC601 = (0.299, 0.587, 0.114)  # luminance weights of R, G, B (ITU-R BT.601)


def gradient_magnitude(images: torch.Tensor) -> torch.Tensor:
    """Mean Sobel gradient magnitude of the luminance of each image.

    images: (N, 3, H, W), RGB, uint8 or floating point; borders are replicate-padded.
    Returns (N,), float32, in the images' units times the Sobel operator's gain of 8.
    """
    weights = torch.tensor(REC601, device=images.device).view(3, 1, 1)
    y = F.pad((images.float() * weights).sum(1, keepdim=True), (1, 1, 1, 1), mode="replicate")
    across = y[..., 2:] - y[..., :-2]
    down = y[..., 2:, :] - y[..., :-2, :]
    g_x = across[..., :-2, :] + 2 * across[..., 1:-1, :] + across[..., 2:, :]
    g_y = down[..., :-2] + 2 * down[..., 1:-1] + down[..., 2:]
    return torch.hypot(g_x, g_y).mean((1, 2, 3))
