"""The losses of VDG, in the symbols of the paper.

I_hat: generated image, I_b: target image, both (B, 3, H, W) in [-1, 1].
M_b: mask of the target pose, (B, 1, H, W) in {0, 1}.
Source: slides of Lakhal, Lanz, Cavallaro, ECCV 2018 workshops; docs/choices.md lists what they
leave open.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from vdg.metrics.ssim import ssim


def l1(I_hat: Tensor, I_b: Tensor) -> Tensor:
    """Mean absolute error over pixels and channels."""
    return (I_hat - I_b).abs().mean()


def mask_l1(I_hat: Tensor, I_b: Tensor, M_b: Tensor, w: float = 1.0) -> Tensor:
    """L_1^mask = mean |I_hat - I_b| (1 + w M_b): the mean over all pixels, not over the mask."""
    return ((I_hat - I_b).abs() * (1 + w * M_b)).mean()


def mask_ssim(I_hat: Tensor, I_b: Tensor, M_b: Tensor, w: float = 1.0) -> Tensor:
    """L_SSIM^mask = 1 - SSIM(I_hat (1 + w M_b), I_b (1 + w M_b)).

    The images are first mapped to [0, 1], so that the data range is 1 + w (2 at w = 1). They are
    reflect-padded by half a window (5 px) so that border pixels get an SSIM gradient.
    """
    weight = 1 + w * M_b
    x, y = (_mirror_edges((image + 1) / 2 * weight, margin=5) for image in (I_hat, I_b))
    return 1 - ssim(x, y, data_range=1 + w).mean()


def _mirror_edges(images: Tensor, margin: int) -> Tensor:
    """Reflect padding with a deterministic gradient; F.pad's is not deterministic on CUDA."""
    for axis in (-1, -2):
        length = images.shape[axis]
        first = images.narrow(axis, 1, margin).flip(axis)
        last = images.narrow(axis, length - margin - 1, margin).flip(axis)
        images = torch.cat([first, images, last], axis)
    return images


class ImageLoss:
    """L_img = alpha L_SSIM^mask + (1 - alpha) L_1^mask, with pixel weights (1 + w M_b).

    The variants of the paper are (alpha, w): VDG^L1 is (0, 0), VDG^mask-L1 (0, 1), VDG (alpha, 1).
    """

    def __init__(self, alpha: float, w: float):
        self.alpha, self.w = alpha, w

    def __call__(self, I_hat: Tensor, I_b: Tensor, M_b: Tensor) -> dict[str, Tensor]:
        """Returns the terms by name, and their weighted sum as `image`."""
        L_1 = mask_l1(I_hat, I_b, M_b, self.w)
        if self.alpha == 0:
            return {"mask_l1": L_1, "image": L_1}
        L_SSIM = mask_ssim(I_hat, I_b, M_b, self.w)
        L_img = self.alpha * L_SSIM + (1 - self.alpha) * L_1
        return {"mask_l1": L_1, "mask_ssim_loss": L_SSIM, "image": L_img}


def discriminator_loss(real: Tensor, fake: Tensor) -> Tensor:
    """Binary cross-entropy of the discriminator's logits, averaged over real and generated pairs.

    Source: Goodfellow et al., NeurIPS 2014; on patches, Isola et al., CVPR 2017.
    """
    return (F.softplus(-real).mean() + F.softplus(fake).mean()) / 2


def adversarial_loss(fake: Tensor) -> Tensor:
    """L_adv = -log D(fake), the non-saturating form of Goodfellow et al., NeurIPS 2014."""
    return F.softplus(-fake).mean()


def feature_matching(generated: list[Tensor], target: list[Tensor]) -> Tensor:
    """L_FM: mean absolute difference of a discriminator's features, averaged over its layers.

    generated, target: features of I_hat and I_b, layer by layer.
    Source: Wang et al., CVPR 2018 (pix2pixHD), equation 4, whose sum over layers is a mean here.
    """
    layers = [l1(x, y) for x, y in zip(generated, target, strict=True)]
    return torch.stack(layers).mean()
