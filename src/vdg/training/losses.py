"""Losses that several systems share.

I_hat: generated image, I_b: target image, both (B, 3, H, W) in [-1, 1].
"""

import torch.nn.functional as F
from torch import Tensor


def l1(I_hat: Tensor, I_b: Tensor) -> Tensor:
    """Mean absolute error over pixels and channels."""
    return (I_hat - I_b).abs().mean()


def discriminator_loss(real: Tensor, fake: Tensor) -> Tensor:
    """Binary cross-entropy of the discriminator's logits, averaged over real and generated pairs.

    Source: Goodfellow et al., NeurIPS 2014; on patches, Isola et al., CVPR 2017.
    """
    return (F.softplus(-real).mean() + F.softplus(fake).mean()) / 2


def adversarial_loss(fake: Tensor) -> Tensor:
    """L_adv = -log D(fake), the non-saturating form of Goodfellow et al., NeurIPS 2014."""
    return F.softplus(-fake).mean()
