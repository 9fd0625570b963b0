"""The losses of VDG's stage II, in the symbols of the paper.

I_hat: generated image, I_b: target image, both (B, 3, H, W) in [-1, 1].
M_b: mask of the target pose, (B, 1, H, W) in {0, 1}.
K_b: key points of the target pose, (B, 18, 2), (y, x) in pixels, negative where missing.
Source: slides of Lakhal, Lanz, Cavallaro, ECCV 2018 workshops; docs/choices.md lists what they
leave open.
"""

import torch
from torch import Tensor

from vdg.blocks import mirror_edges
from vdg.heat_maps import constant
from vdg.metrics.ssim import ssim


def mask_l1(I_hat: Tensor, I_b: Tensor, M_b: Tensor, w: float = 1.0) -> Tensor:
    """L_1^mask = mean |I_hat - I_b| (1 + w M_b): the mean over all pixels, not over the mask."""
    return ((I_hat - I_b).abs() * (1 + w * M_b)).mean()


def mask_ssim_loss(I_hat: Tensor, I_b: Tensor, M_b: Tensor, w: float = 1.0) -> Tensor:
    """L_SSIM^mask = 1 - SSIM(I_hat (1 + w M_b), I_b (1 + w M_b)).

    The images are first mapped to [0, 1], so that the data range is 1 + w (2 at w = 1). They are
    reflect-padded by half a window (5 px) so that border pixels get an SSIM gradient.
    """
    weight = 1 + w * M_b
    x, y = (mirror_edges((image + 1) / 2 * weight, margin=5) for image in (I_hat, I_b))
    return 1 - ssim(x, y, data_range=1 + w).mean()


LIMBS = ((0, 1), (2, 3), (3, 4), (5, 6), (6, 7), (8, 9), (9, 10), (11, 12), (12, 13))
"""Head, upper and lower arms and legs: the parts of `part_weights` besides the torso."""


def part_weights(K_b: Tensor, height: int, width: int) -> Tensor:
    """Weights of ten body parts: (B, 10, height, width), each with peak 1, zero where missing.

    An oriented Gaussian lies on each of LIMBS and on the torso, from the middle of the shoulders to
    that of the hips. Its variance is 1 / 1.2 of the squared length along the part, but at least 5,
    and 9^2 (torso: 13^2) across it; in pixels at a height of 128, scaled with the height. A part is
    missing if one of its joints is.

    Source: the code of Shi et al., BMVC 2020 (shyern/Pose-Transfer-pSSIM).
    """
    joints = K_b.float().masked_fill(K_b < 0, torch.nan)
    limbs, torso = (constant(i, K_b.device) for i in (LIMBS, ((2, 5), (8, 11))))
    # (B, 10, 2, 2)
    ends = torch.cat([joints[:, limbs], joints[:, torso].mean(2)[:, None]], 1)
    scale = (height / 128) ** 2
    along = ends[:, :, 1] - ends[:, :, 0]
    squared = along.square().sum(2)
    along = along / squared.sqrt().clamp(min=1e-6)[..., None]
    across_variance = constant((9.0**2,) * len(LIMBS) + (13.0**2,), K_b.device) * scale
    y, x = (torch.arange(n, device=K_b.device) for n in (height, width))
    centre = ends.mean(2)[..., None, None]  # (B, 10, 2, 1, 1)
    dy, dx = y[:, None] - centre[:, :, 0], x - centre[:, :, 1]
    u, v = along[..., None, None].unbind(2)
    exponent = (dy * u + dx * v) ** 2 / (squared / 1.2).clamp(min=5 * scale)[..., None, None]
    exponent = exponent + (dx * u - dy * v) ** 2 / across_variance[:, None, None]
    return torch.exp(-exponent / 2).nan_to_num(0)


def weighted_ssim(x: Tensor, y: Tensor, weights: Tensor) -> Tensor:
    """SSIM of images in [0, 1] with one window for each part: (B, parts), mean over channels.

    weights: (B, parts, H, W), at least 0. They take the place of SSIM's window, with population
    covariances. A part without weight scores 1.
    """
    window = weights / weights.sum((2, 3), keepdim=True).clamp(min=1e-6)
    x, y = x[:, None], y[:, None]

    def mean(image: Tensor) -> Tensor:
        return (image * window[:, :, None]).sum((3, 4))  # (B, parts, channels)

    mean_x, mean_y = mean(x), mean(y)
    C1, C2 = 0.01**2, 0.03**2
    luminance = (2 * mean_x * mean_y + C1) / (mean_x**2 + mean_y**2 + C1)
    variances = mean(x * x) - mean_x**2 + mean(y * y) - mean_y**2
    covariance = mean(x * y) - mean_x * mean_y
    return (luminance * (2 * covariance + C2) / (variances + C2)).mean(2)


def part_ssim_loss(I_hat: Tensor, I_b: Tensor, K_b: Tensor) -> Tensor:
    """L_PSSIM = 1 - (foreground + background) / 2, of images mapped to [0, 1].

    foreground: the mean of `weighted_ssim` over the ten parts of the target pose, missing ones
    included, which have no gradient. background: SSIM (7 taps, sigma 0.8) of both images times
    1 - max of the part weights.

    Source: Shi, Wang, Tang, Zheng, Hua, "Loss Functions for Person Image Generation", BMVC 2020,
    in the form of its code (shyern/Pose-Transfer-pSSIM).
    """
    x, y = ((image + 1) / 2 for image in (I_hat, I_b))
    weights = part_weights(K_b, *x.shape[2:])
    beside = 1 - weights.amax(1, keepdim=True)
    foreground = weighted_ssim(x, y, weights).mean()
    background = ssim(x * beside, y * beside, window="narrow", data_range=1.0).mean()
    return 1 - (foreground + background) / 2


class ImageLoss:
    """L_img = alpha L_SSIM + (1 - alpha) L_1^mask, with pixel weights (1 + w M_b).

    similarity: "mask-ssim", the paper's L_SSIM^mask, or "part-ssim", L_PSSIM.
    The variants of the paper are (alpha, w): VDG^L1 is (0, 0), VDG^mask-L1 (0, 1), VDG (alpha, 1).
    """

    def __init__(self, alpha: float, w: float, similarity: str = "mask-ssim"):
        self.alpha, self.w, self.similarity = alpha, w, similarity

    def __call__(self, I_hat: Tensor, I_b: Tensor, M_b: Tensor, K_b: Tensor) -> dict[str, Tensor]:
        """Returns the terms by name, and their weighted sum as `image`."""
        L_1 = mask_l1(I_hat, I_b, M_b, self.w)
        if self.alpha == 0:
            return {"mask_l1": L_1, "image": L_1}
        if self.similarity == "part-ssim":
            name, L_SSIM = "part_ssim_loss", part_ssim_loss(I_hat, I_b, K_b)
        else:
            name, L_SSIM = "mask_ssim_loss", mask_ssim_loss(I_hat, I_b, M_b, self.w)
        L_img = self.alpha * L_SSIM + (1 - self.alpha) * L_1
        return {"mask_l1": L_1, name: L_SSIM, "image": L_img}
