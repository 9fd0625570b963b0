"""VDG, the View-Disentangled Generator (Lakhal, Lanz, Cavallaro, ECCV 2018 workshops).

Symbols: I_a, P_a image and pose heat maps of the source view a; I_b, P_b of the target view b.
Images are (B, 3, H, W) in [-1, 1], heat maps (B, 18, H, W) in [0, 1]. Layer tables are not
published; the ones here follow the README, "What the paper does not say".
"""

import torch
from torch import Tensor, nn

from vdg.blocks import Decoder, Encoder, PatchDiscriminator, Residual, level_widths

JOINTS = 18


class Stage1(nn.Module):
    """Late-fusion generator: (I_a, P_a, P_b) -> coarse prediction I_b^R.

    Two encoders that never see each other's input, the source view (I_a + P_a) and the target view
    (P_b); their last features are concatenated and fused by one convolution; the decoder takes
    skip connections from both.

    shared_encoders: one set of encoder weights for both views, the second reading of VDG_w. The
    target view then enters with a black image, so that both have the same channels.
    """

    def __init__(self, width: int, depth: int, widest: int, shared_encoders: bool = False):
        super().__init__()
        widths = level_widths(width, depth, widest)
        self.shared_encoders = shared_encoders
        self.source_encoder = Encoder(3 + JOINTS, widths)
        if not shared_encoders:
            self.target_encoder = Encoder(JOINTS, widths)
        self.fusion = nn.Conv2d(2 * widths[-1], widths[-1], 3, padding=1)
        self.bottleneck = nn.Sequential(Residual(widths[-1]), Residual(widths[-1]))
        self.decoder = Decoder(widths, [2 * w for w in widths[:-1]], 3)

    def forward(self, I_a: Tensor, P_a: Tensor, P_b: Tensor) -> Tensor:
        source = self.source_encoder(torch.cat([I_a, P_a], 1))
        if self.shared_encoders:
            target = self.source_encoder(torch.cat([torch.zeros_like(I_a), P_b], 1))
        else:
            target = self.target_encoder(P_b)
        both = [torch.cat(views, 1) for views in zip(source, target, strict=True)]
        x = self.bottleneck(self.fusion(both[-1]))
        return torch.tanh(self.decoder(x, both[:-1]).float())


class Stage2(nn.Module):
    """Refinement: a U-Net on (I_b^R, I_a, P_b) predicts a difference image.

    Returns the final prediction I_b = clamp(I_b^R + difference, -1, 1).
    """

    def __init__(self, width: int, depth: int, widest: int):
        super().__init__()
        widths = level_widths(width, depth, widest)
        self.encoder = Encoder(3 + 3 + JOINTS, widths)
        self.bottleneck = nn.Sequential(Residual(widths[-1]), Residual(widths[-1]))
        self.decoder = Decoder(widths, widths[:-1], 3)
        for parameter in self.decoder.out[-1].parameters():
            nn.init.zeros_(parameter)  # start from the coarse prediction

    def forward(self, coarse: Tensor, I_a: Tensor, P_b: Tensor) -> Tensor:
        features = self.encoder(torch.cat([coarse, I_a, P_b], 1))
        x = self.bottleneck(features[-1])
        difference = self.decoder(x, features[:-1]).float()
        return (coarse + difference).clamp(-1, 1)


class Generator(nn.Module):
    """The whole of VDG: (I_a, P_a, P_b) -> I_b. Stage I is frozen; stage II is what trains."""

    def __init__(self, stage1: nn.Module, stage2: nn.Module):
        super().__init__()
        self.stage1 = stage1.requires_grad_(False)
        self.stage2 = stage2

    def train(self, mode: bool = True) -> "Generator":
        super().train(mode)
        self.stage1.eval()  # frozen means its batch statistics too
        return self

    def forward(self, I_a: Tensor, P_a: Tensor, P_b: Tensor) -> Tensor:
        with torch.no_grad():
            coarse = self.stage1(I_a, P_a, P_b)
        return self.stage2(coarse, I_a, P_b)


class Discriminator(nn.Module):
    """Conditional PatchGAN on (I_a, P_b, image): patch logits of "real"."""

    def __init__(self, width: int, levels: int):
        super().__init__()
        self.patches = PatchDiscriminator(3 + JOINTS + 3, width, levels)

    def forward(self, I_a: Tensor, P_b: Tensor, image: Tensor) -> Tensor:
        return self.patches(I_a, P_b, image).float()


def build_stage1(shape: dict) -> nn.Module:
    """shape: width, depth, widest, shared_encoders."""
    keys = ("width", "depth", "widest", "shared_encoders")
    return Stage1(**{key: shape[key] for key in keys})


def build_generator(stage1: nn.Module, shape: dict) -> nn.Module:
    """shape: width, depth, widest of stage II."""
    return Generator(stage1, Stage2(**{key: shape[key] for key in ("width", "depth", "widest")}))


def build_discriminator(shape: dict) -> nn.Module:
    """shape: discriminator_width, discriminator_levels."""
    return Discriminator(shape["discriminator_width"], shape["discriminator_levels"])
