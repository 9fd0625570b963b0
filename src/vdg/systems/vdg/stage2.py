"""Stage II of VDG: refinement, discriminator and objective. Symbols: vdg.systems.vdg."""

from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from vdg.blocks import Decoder, Encoder, Residual, level_widths
from vdg.data.batches import Batch
from vdg.errors import InputError
from vdg.heat_maps import heat_maps
from vdg.pose import JOINTS
from vdg.settings import Count, Float, Fraction, TrainingSettings, Weight
from vdg.systems.vdg.losses import ImageLoss
from vdg.systems.vdg.part_warp import part_warp
from vdg.systems.vdg.projected import ProjectedDiscriminator
from vdg.systems.vdg.stage1 import require_divisible
from vdg.training.losses import adversarial_loss, discriminator_loss
from vdg.training.task import ADVERSARIAL_BETA, Task, adam, frozen, step

P = len(JOINTS)
COPY_AT_START = -2.0
"""Logit of the source's share in I_b before training: .12. The part warp starts with half."""


class Stage2Settings(TrainingSettings):
    width: Count = 16
    max_width: Count = 64
    depth: Count = 2
    part_warp: bool = False  # beyond the paper: it sees that source, too, and copies from it
    alpha: Fraction = 0.85  # share of L_SSIM^mask in L_img; the rest is L_1^mask
    similarity: Literal["mask-ssim", "part-ssim"] = "mask-ssim"  # or L_PSSIM in its place
    mask_weight: Weight = 1.0  # w: the mask enters L_img as (1 + w M_b)
    lambda_: Weight = Field(10.0, alias="lambda")  # weight of L_img relative to L_adv
    discriminator_width: Count = 16
    discriminator_levels: Annotated[int, Field(ge=1, le=6)] = 3  # downsampling levels
    discriminator_learning_rate: Fraction = 5e-4
    feature_weight: Weight = 0.0  # beyond the paper: of a second discriminator, on frozen features
    ema_decay: Annotated[Float, Field(ge=0, le=0.9999999)] = 0.99  # of the average that is kept


class Stage2(nn.Module):
    """Refinement: a U-Net on (I_b^R, I_a, P_b) predicts a difference image.

    Called with (I_b^R, I_a, K_a, K_b).
    Returns the final prediction I_b = clamp(I_b^R + difference, -1, 1); in training without the
    clamp, whose gradient is 0 beyond the range: colours that leave it could not come back.

    The U-Net ends at half the resolution; a head of two convolutions at full resolution also sees
    I_b^R. Without it the four pixels under a feature are linear functions of it and its neighbours.

    part_warp: beyond the paper, the part warp W of the source. U-Net and head also see W and its
    coverage, the head I_a, too. It also predicts two gates in (0, 1), by which pixels of I_a, then
    of W, are copied into I_b: detail that is copied need not be drawn.
    """

    def __init__(self, width: int, depth: int, max_width: int, part_warp: bool = False):
        super().__init__()
        widths = level_widths(width, depth, max_width)
        self.part_warp = part_warp
        self.encoder = Encoder(3 + 3 + P + 4 * part_warp, widths)
        self.bottleneck = nn.Sequential(Residual(widths[-1]), Residual(widths[-1]))
        self.decoder = Decoder(widths, widths[:-1], width)
        last = nn.Conv2d(width, 3 + 2 * part_warp, 3, padding=1)
        seen = 3 + (3 + 4) * part_warp
        self.head = nn.Sequential(
            nn.Conv2d(width + seen, width, 3, padding=1), nn.ReLU(inplace=True), last
        )
        for parameter in last.parameters():
            nn.init.zeros_(parameter)  # the difference starts at zero
        if part_warp:
            nn.init.constant_(last.bias[3:4], COPY_AT_START)

    def forward(self, coarse: Tensor, I_a: Tensor, K_a: Tensor, K_b: Tensor) -> Tensor:
        P_b = heat_maps(K_b, *I_a.shape[2:])
        W = part_warp(I_a, K_a, K_b) if self.part_warp else I_a[:, :0]  # without channels
        features = self.encoder(torch.cat([coarse, I_a, P_b, W], 1))
        decoded = self.decoder(self.bottleneck(features[-1]), features[:-1])
        seen = [I_a, W] if self.part_warp else []
        out = self.head(torch.cat([decoded, coarse, *seen], 1)).float()
        I_b = coarse + out[:, :3]
        if self.part_warp:
            I_b = copied(I_b, I_a, W, *out[:, 3:].sigmoid().split(1, 1))
        return I_b if self.training else I_b.clamp(-1, 1)


def copied(I_b: Tensor, I_a: Tensor, W: Tensor, of_source: Tensor, of_warp: Tensor) -> Tensor:
    """Replace a share of each pixel of I_b by I_a's, then by W's.

    W: (B, 4, H, W), as `part_warp` returns it. of_source, of_warp: the shares, (B, 1, H, W); the
    second is of what W covers.
    """
    I_b = torch.lerp(I_b, I_a, of_source)
    return I_b * (1 - of_warp * W[:, 3:]) + of_warp * W[:, :3]


class Generator(nn.Module):
    """The whole of VDG: (I_a, K_a, K_b) -> I_b. Stage I is frozen; stage II is what trains."""

    def __init__(self, stage1: nn.Module, stage2: nn.Module):
        super().__init__()
        self.stage1 = stage1.requires_grad_(False)
        self.stage2 = stage2

    def train(self, mode: bool = True) -> "Generator":
        super().train(mode)
        self.stage1.eval()  # frozen means its batch statistics too
        return self

    def forward(self, I_a: Tensor, K_a: Tensor, K_b: Tensor) -> Tensor:
        with torch.no_grad():
            coarse = self.stage1(I_a, K_a, K_b)
        return self.stage2(coarse, I_a, K_a, K_b)


class PatchDiscriminator(nn.Module):
    """Logits of "real" for overlapping patches: (B, C, H, W) -> (B, 1, h, w).

    The 4x4 stride-2 convolutions with LeakyReLU of pix2pix (Isola et al., CVPR 2017), kept smooth
    by spectral normalisation (Miyato et al., ICLR 2018): without it, or with batch-norm, short
    trainings left lattices and halos on plain garments.
    """

    def __init__(self, in_channels: int, width: int, levels: int):
        super().__init__()
        layers: list[nn.Module] = []
        channels = in_channels
        for level in range(levels):
            out = min(width * 2**level, 8 * width)
            layers += [nn.Conv2d(channels, out, 4, stride=2, padding=1), nn.LeakyReLU(0.2)]
            channels = out
        layers += [nn.Conv2d(channels, channels, 3, padding=1), nn.LeakyReLU(0.2)]
        layers.append(nn.Conv2d(channels, 1, 3, padding=1))
        self.layers = nn.Sequential(
            *(spectral_norm(x) if isinstance(x, nn.Conv2d) else x for x in layers)
        )

    def forward(self, *inputs: Tensor) -> Tensor:
        return self.layers(torch.cat(inputs, 1))


class Discriminator(nn.Module):
    """Conditional PatchGAN on (I_a, P_b, image): patch logits of "real". Called with K_b.

    Returns a list of logits, each (B, 1, h, w); `weights` are those of their losses.

    feature_weight: beyond the paper. Above 0, a projected GAN's discriminator sees the image alone;
    its logits follow those of the patches, and the mean of their losses has this weight.
    """

    def __init__(self, width: int, levels: int, feature_weight: float = 0.0):
        super().__init__()
        self.patches = PatchDiscriminator(3 + P + 3, width, levels)
        self.weights = [1.0]
        self.projected = ProjectedDiscriminator(width) if feature_weight else None
        if self.projected is not None:
            count = len(self.projected.heads)
            self.weights += [feature_weight / count] * count

    def forward(self, I_a: Tensor, K_b: Tensor, image: Tensor) -> list[Tensor]:
        logits = [self.patches(I_a, heat_maps(K_b, *I_a.shape[2:]), image)]
        if self.projected is not None:
            logits += self.projected(image)
        return [x.float() for x in logits]


class Refinement(Task):
    """Stage II: L_adv + lambda L_img; one step of the discriminator per step of the generator.

    The discriminator returns a list of logits; its `weights` are those of their losses.

    The result is an exponential moving average of the generator's weights: EMA reduces GAN
    oscillation (Yazici et al., ICLR 2019).
    """

    capturable = True
    settings: Stage2Settings
    discriminator: nn.Module

    def __init__(self, generator: nn.Module, settings: Stage2Settings):
        D = build_discriminator(settings)
        super().__init__(settings, ADVERSARIAL_BETA, generator=generator, discriminator=D)
        rate = settings.discriminator_learning_rate
        self.optimizers["discriminator"] = adam(D, rate, ADVERSARIAL_BETA)
        self.image_loss = ImageLoss(settings.alpha, settings.mask_weight, settings.similarity)
        self.modules["average"] = self.average = MovingAverage(generator, settings.ema_decay)
        self.result = self.average.module

    def update(self, batch: Batch) -> dict[str, Tensor]:
        I_hat = self.generator(batch.I_a, batch.K_a, batch.K_b)

        # real and generated images in one pass, to halve the number of calls
        given = [torch.cat([x, x]) for x in (batch.I_a, batch.K_b)]
        logits = self.discriminator(*given, torch.cat([batch.I_b, I_hat.detach()]))
        weights = self.modules["discriminator"].weights
        L_D = _weighted(weights, [discriminator_loss(*both.chunk(2)) for both in logits])
        step(self.optimizers["discriminator"], L_D)

        with frozen(self.modules["discriminator"]) as D:
            logits = D(batch.I_a, batch.K_b, I_hat)
            L_adv = _weighted(weights, [adversarial_loss(fake) for fake in logits])
        with torch.autocast(I_hat.device.type, enabled=False):
            terms = self.image_loss(I_hat, batch.I_b, batch.M_b, batch.K_b)
        step(self.optimizers["generator"], L_adv + self.settings.lambda_ * terms["image"])
        self.average.update_parameters(self.modules["generator"])

        losses = {"discriminator": L_D, "adversarial": L_adv} | terms
        return {name: loss.detach() for name, loss in losses.items()}


def _weighted(weights: list[float], losses: list[Tensor]) -> Tensor:
    return torch.stack([w * loss for w, loss in zip(weights, losses, strict=True)]).sum()


class MovingAverage(AveragedModel):
    """Exponential moving average of a module's weights and buffers, from the first update on."""

    def __init__(self, module: nn.Module, decay: float):
        super().__init__(module, multi_avg_fn=get_ema_multi_avg_fn(decay), use_buffers=True)
        self.started = False

    @torch.no_grad()
    def update_parameters(self, model: nn.Module) -> None:
        """As in torch, which however reads the count of updates back from the device every time."""
        if not self.started:
            super().update_parameters(model)
            self.started = True
            return
        for own, new in zip(_by_kind(self.module), _by_kind(model), strict=True):
            self.multi_avg_fn(own, new, self.n_averaged)
        self.n_averaged += 1


def _by_kind(module: nn.Module) -> list[list[Tensor]]:
    """The parameters and buffers of a module: those of floating point, then integers."""
    state = [*module.parameters(), *module.buffers()]
    kinds = [[x for x in state if x.is_floating_point() == floating] for floating in (True, False)]
    return [kind for kind in kinds if kind]


def build_generator(stage1: nn.Module, settings: Stage2Settings) -> nn.Module:
    """Raises InputError for a size that its depth does not divide."""
    require_divisible(settings.depth, settings.size)
    width, depth, most = settings.width, settings.depth, settings.max_width
    return Generator(stage1, Stage2(width, depth, most, settings.part_warp))


def build_discriminator(settings: Stage2Settings) -> nn.Module:
    """Raises InputError for images smaller than one patch."""
    levels = settings.discriminator_levels
    if min(settings.size) < 2**levels:
        raise InputError(
            f"discriminator_levels = {levels} needs images of at least {2**levels} pixels, not "
            "{} x {}".format(*settings.size)
        )
    return Discriminator(settings.discriminator_width, levels, settings.feature_weight)


stage2_task = Refinement
