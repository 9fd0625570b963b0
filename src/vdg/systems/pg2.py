"""PG2, Pose Guided Person Image Generation (Ma et al., NeurIPS 2017).

Stage I, G1, generates a coarse image from I_a and the target pose K_b; the source pose is not used.
Stage II, G2, adds a difference image and is trained against an unconditional discriminator D.
Layers, losses and padding are those of the authors' code: no normalisation in G1 and G2, linear
outputs, stride-2 convolutions padded as TensorFlow pads them. Images higher than 128 pixels take
the form of the authors' DeepFashion experiments. n is `width`.
"""

import itertools
import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vdg.data.batches import Batch
from vdg.errors import InputError
from vdg.pose import JOINTS, MASK_PAIRS
from vdg.settings import Count, TrainingSettings, Weight
from vdg.training.losses import adversarial_loss, discriminator_loss, l1
from vdg.training.task import ADVERSARIAL_BETA, Task, Wrapper, frozen, step

MARKET_HEIGHT = 128
"""Images higher than this take the form of the authors' DeepFashion experiments."""
RADIUS = 4.0
"""Of the discs and of the mask's limbs, in pixels, at heights of 128 and 256."""


class Stage1Settings(TrainingSettings):
    width: Count = 16  # 128 as published
    bottleneck: Count = 64  # numbers between encoder and decoder; 64 as published


class Stage2Settings(TrainingSettings):
    width: Count = 16  # 128 as published
    discriminator_width: Count = 8  # 64 as published
    l1_weight: Weight = 10.0  # of the masked L1 against L_adv; as published, 50 on DeepFashion


def scaled(length: float, height: int) -> float:
    """A length in pixels that holds from a height of 128 up and shrinks with the height below."""
    return length * min(1.0, height / MARKET_HEIGHT)


def levels_of(height: int) -> int:
    """N = floor(log2(H)) - 2, the number of resolutions in G1; the last has 8 to 15 rows."""
    return height.bit_length() - 3


def require_multiple(size: tuple[int, int], multiple: int) -> None:
    """Raise InputError for a size (H, W) that the networks cannot halve often enough."""
    height, width = size
    if height < 32 or height % multiple or width % multiple:
        raise InputError(
            f"this system needs a height and width divisible by {multiple} and a height of at "
            f"least 32, not {height} x {width}"
        )


class StridedConv(nn.Conv2d):
    """Convolution of stride 2 with TensorFlow's "SAME" padding: (B, a, H, W) -> (B, b, H/2, W/2).

    For even sizes that is one pixel more after than before; symmetric padding would shift every
    level by a pixel.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int):
        super().__init__(in_channels, out_channels, kernel_size, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        before = (self.kernel_size[0] - 2) // 2
        return super().forward(F.pad(x, (before, before + 1, before, before + 1)))


def conv3(in_channels: int, out_channels: int) -> nn.Conv2d:
    """3x3, size unchanged."""
    return nn.Conv2d(in_channels, out_channels, 3, padding=1)


def conv_pair(in_channels: int, out_channels: int) -> nn.Sequential:
    """Two 3x3 convolutions, a ReLU after each."""
    first, second = conv3(in_channels, out_channels), conv3(out_channels, out_channels)
    return nn.Sequential(first, nn.ReLU(inplace=True), second, nn.ReLU(inplace=True))


def down(in_channels: int, out_channels: int) -> nn.Sequential:
    """3x3 of stride 2 and ReLU."""
    return nn.Sequential(StridedConv(in_channels, out_channels, 3), nn.ReLU(inplace=True))


def up(in_channels: int, out_channels: int) -> nn.Sequential:
    """1x1, ReLU, nearest x2. The authors upsample first: same result, four times the cost."""
    convolution = nn.Conv2d(in_channels, out_channels, 1)
    return nn.Sequential(convolution, nn.ReLU(inplace=True), nn.Upsample(scale_factor=2))


class Residual(nn.Module):
    """x + two 3x3 convolutions of x, a ReLU after each and none after the sum."""

    def __init__(self, channels: int):
        super().__init__()
        self.layers = conv_pair(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x)


class Encoder(nn.Module):
    """(B, n, H, W) -> features of every level, finest first: n (i + 1) channels at H/2^i x W/2^i.

    A residual pair per level; a 3x3 convolution of stride 2 with ReLU leads to the next.
    """

    def __init__(self, width: int, levels: int):
        super().__init__()
        widths = [width * (level + 1) for level in range(levels)]
        modules = [Residual(width)]
        modules += [nn.Sequential(down(a, b), Residual(b)) for a, b in itertools.pairwise(widths)]
        self.levels = nn.ModuleList(modules)

    def forward(self, x: Tensor) -> list[Tensor]:
        features = []
        for level in self.levels:
            x = level(x)
            features.append(x)
        return features


class Decoder(nn.Module):
    """(B, n, h, w) and the features of an Encoder -> (B, 3, H, W), linear.

    Per level: concatenate the skip connection, a residual pair, then `up`, or the last convolution.
    """

    def __init__(self, width: int, levels: int):
        super().__init__()
        joined = [width * (levels + 1)]
        joined += [2 * width * level for level in reversed(range(1, levels))]
        self.pairs = nn.ModuleList(map(Residual, joined))
        ups = (up(a, b // 2) for a, b in itertools.pairwise(joined))
        self.after = nn.ModuleList([*ups, conv3(joined[-1], 3)])

    def forward(self, x: Tensor, skips: list[Tensor]) -> Tensor:
        for pair, after, skip in zip(self.pairs, self.after, reversed(skips), strict=True):
            x = after(pair(torch.cat([x, skip], 1)))
        return x


class G1(nn.Module):
    """U-Net with a fully connected bottleneck: the inputs of `first` -> (B, 3, H, W), linear.

    first: the first layer, which returns (B, n, H, W) before ReLU.
    """

    def __init__(
        self, first: nn.Module, *, width: int, levels: int, bottleneck: int, size: tuple[int, int]
    ):
        super().__init__()
        rows, columns = (side // 2 ** (levels - 1) for side in size)
        places = rows * columns
        self.first = first
        self.encoder = Encoder(width, levels)
        self.bottleneck = nn.Sequential(
            nn.Flatten(),
            nn.Linear(places * levels * width, bottleneck),
            nn.Linear(bottleneck, places * width),
            nn.Unflatten(1, (width, rows, columns)),
        )
        self.decoder = Decoder(width, levels)
        self.apply(xavier)

    def forward(self, *inputs: Tensor) -> Tensor:
        skips = self.encoder(F.relu(self.first(*inputs)))
        return self.decoder(self.bottleneck(skips[-1]), skips).float()


def xavier(module: nn.Module) -> None:
    """Initialise one layer: weights Xavier uniform, biases 0."""
    if isinstance(module, nn.Conv2d | nn.Linear):
        nn.init.xavier_uniform_(module.weight)
        nn.init.zeros_(module.bias)


def dcgan(module: nn.Module) -> None:
    """Initialise one layer: weights uniform with a standard deviation of .02, biases 0."""
    if isinstance(module, nn.Conv2d | nn.Linear):
        limit = 0.02 * math.sqrt(3)
        nn.init.uniform_(module.weight, -limit, limit)
        nn.init.zeros_(module.bias)


class Stage1(nn.Module):
    """G1 on I_a and the discs of K_b: coarse prediction (B, 3, H, W), linear. K_a is not used."""

    def __init__(self, width: int, bottleneck: int, size: tuple[int, int]):
        super().__init__()
        levels = levels_of(size[0])
        # D of stage II halves at least four times
        require_multiple(size, 2 ** max(levels - 1, 4))
        first = conv3(3 + len(JOINTS), width)
        self.network = G1(first, width=width, levels=levels, bottleneck=bottleneck, size=size)

    def forward(self, I_a: Tensor, K_a: Tensor, K_b: Tensor) -> Tensor:
        height, width = I_a.shape[2:]
        discs = disc_maps(K_b, height, width, scaled(RADIUS, height))
        return self.network(torch.cat([I_a, discs], 1))


class G2(nn.Module):
    """U-Net on (G1, I_a), both (B, 3, H, W): returns G1 + a difference image, linear, float32.

    As in the authors' code the lowest level concatenates its input with itself, and up to a height
    of 128 the level at full resolution has no skip connection.
    """

    def __init__(self, width: int, size: tuple[int, int]):
        super().__init__()
        levels = levels_of(size[0]) - 2
        self.all_skips = size[0] > MARKET_HEIGHT
        widths = [width * (level + 1) for level in range(levels)]
        first = nn.Sequential(conv3(6, width), nn.ReLU(inplace=True), conv_pair(width, width))
        rest = (nn.Sequential(down(a, a), conv_pair(a, b)) for a, b in itertools.pairwise(widths))
        self.encoder = nn.ModuleList([first, *rest])
        joined = [2 * widths[-1], *(width + w for w in reversed(widths[:-1]))]
        if not self.all_skips:
            joined[-1] -= widths[0]
        self.decoder = nn.ModuleList(conv_pair(w, width) for w in joined)
        self.out = conv3(width, 3)
        self.apply(xavier)

    def forward(self, coarse: Tensor, I_a: Tensor) -> Tensor:
        x, skips = torch.cat([coarse, I_a], 1), []
        for level in self.encoder:
            x = level(x)
            skips.append(x)
        for pair, skip in zip(self.decoder, reversed(skips), strict=True):
            x = F.interpolate(x, skip.shape[2:])  # nearest; on the lowest level, x itself
            joins = self.all_skips or skip is not skips[0]
            x = pair(torch.cat([x, skip], 1) if joins else x)
        return coarse + self.out(x).float()


class Generator(nn.Module):
    """The whole of PG2: (I_a, K_a, K_b) -> I_b. Stage I is frozen; stage II is what trains."""

    def __init__(self, stage1: nn.Module, stage2: nn.Module):
        super().__init__()
        self.stage1 = stage1.requires_grad_(False)
        self.stage2 = stage2

    def forward(self, I_a: Tensor, K_a: Tensor, K_b: Tensor) -> Tensor:
        with torch.no_grad():
            coarse = self.stage1(I_a, K_a, K_b)
        return self.stage2(coarse, I_a)


class Discriminator(nn.Module):
    """DCGAN's D (Radford et al., ICLR 2016), unconditional: (B, 3, H, W) -> (B * groups, 1) logits.

    Batch-norm after every convolution but the first. D is only used in training, so batch-norm
    always takes the statistics of its batch: which images share a batch matters.

    groups: groups of channels of the last features; one linear layer gives a logit for each.
    """

    def __init__(self, width: int, size: tuple[int, int], levels: int, groups: int = 1):
        super().__init__()
        widths = [min(width * 2**level, 8 * width) for level in range(levels)]
        layers = [StridedConv(3, width, 5), nn.LeakyReLU(0.2, inplace=True)]
        for a, b in itertools.pairwise(widths):
            norm, activation = nn.BatchNorm2d(b), nn.LeakyReLU(0.2, inplace=True)
            layers += [StridedConv(a, b, 5), norm, activation]
        self.layers = nn.Sequential(*layers)
        places = math.prod(side // 2**levels for side in size)
        self.linear = nn.Linear(widths[-1] // groups * places, 1)
        self.apply(dcgan)

    def forward(self, images: Tensor) -> Tensor:
        features = self.layers(images).flatten(1)
        return self.linear(features.reshape(-1, self.linear.in_features)).float()


def disc_maps(
    keypoints: torch.Tensor, height: int, width: int, radius: float = 4.0
) -> torch.Tensor:
    """Disc maps, the pose input of PG2 and DPIG (Ma et al., NeurIPS 2017 and CVPR 2018).

    keypoints: (B, 18, 2), (y, x) in pixels, truncated; negative = missing. radius: in pixels, edge
    included. Returns (B, 18, height, width), channels last: 1 on a disc around the joint, else -1;
    a missing joint is -1 everywhere.
    """
    rows, columns = (torch.arange(n, device=keypoints.device)[:, None] for n in (height, width))
    y, x = keypoints.to(torch.float32).floor()[:, None].unbind(-1)
    found = (keypoints >= 0).all(-1)[:, None, None]
    away = ((rows - y) ** 2)[:, :, None] + ((columns - x) ** 2)[:, None]  # (B, H, W, 18), squared
    return torch.where(found & (away <= radius**2), 1.0, -1.0).permute(0, 3, 1, 2)


def limb_mask(
    keypoints: torch.Tensor, height: int, width: int, radius: float = 4.0, closing: int = 5
) -> torch.Tensor:
    """Pose mask M in PG2's form (Ma et al., NeurIPS 2017): thick limbs, closed with a square.

    A pixel is set within `radius` pixels of the segment between two detected joints of MASK_PAIRS;
    lone joints set nothing. PG2's own discs along each segment differ from it at the edges only
    (mean IoU .955 at a radius of 4).

    keypoints: (B, 18, 2), (y, x) in pixels, negative = missing. closing: odd, in pixels.
    Returns (B, 1, height, width) in {0, 1}.
    """
    start, end = keypoints.to(torch.float32)[:, list(MASK_PAIRS), :, None, None].unbind(2)
    found = ((start >= 0) & (end >= 0)).all(2)
    y, x = (torch.arange(n, device=keypoints.device) for n in (height, width))
    along_y, along_x = (end - start).unbind(2)  # each (B, 23, 1, 1)
    dy, dx = y[:, None] - start[:, :, 0], x - start[:, :, 1]
    # where on its segment each pixel's nearest point lies, from 0 to 1
    share = (dy * along_y + dx * along_x) / (along_y**2 + along_x**2).clamp(min=1e-6)
    share = share.clamp(0, 1)
    away = (dy - share * along_y) ** 2 + (dx - share * along_x) ** 2
    mask = (found & (away <= radius**2)).any(1, keepdim=True).float()
    grown = F.max_pool2d(mask, closing, stride=1, padding=closing // 2)
    return -F.max_pool2d(-grown, closing, stride=1, padding=closing // 2)


def person_mask(K_b: Tensor, I_b: Tensor) -> Tensor:
    """M of the target pose, (B, 1, H, W) in {0, 1}."""
    height, width = I_b.shape[2:]
    return limb_mask(K_b, height, width, scaled(RADIUS, height))


def mask_l1(I_hat: Tensor, I_b: Tensor, M: Tensor) -> Tensor:
    """mean |I_hat - I_b| + mean |I_hat - I_b| M."""
    return ((I_hat - I_b).abs() * (1 + M)).mean()


class Reconstruction(Task):
    """Stage I: mean |I_b^R - I_b| + mean |I_b^R - I_b| M, no adversary; I_b^R is G1's image."""

    def __init__(self, generator: nn.Module, settings: Stage1Settings):
        super().__init__(settings, ADVERSARIAL_BETA, generator=generator)

    def update(self, batch: Batch) -> dict[str, Tensor]:
        coarse = self.generator(batch.I_a, batch.K_a, batch.K_b)
        loss = mask_l1(coarse, batch.I_b, person_mask(batch.K_b, batch.I_b))
        step(self.optimizers["generator"], loss)
        return {"l1": l1(coarse, batch.I_b).detach(), "mask_l1": loss.detach()}


class Refinement(Task):
    """Stage II: L_adv + w (mean |I_hat - I_b| + mean |I_hat - I_b| M), w = `l1_weight`.

    One step of G2, then one of D, on the same batch. For D, I_b is real; I_hat and I_a are fake, so
    that copying the source does not pay. The result is G2 itself, without averaging of weights.
    """

    settings: Stage2Settings
    discriminator: nn.Module

    def __init__(self, generator: nn.Module, settings: Stage2Settings):
        levels = max(4, levels_of(settings.size[0]) - 1)
        D = Discriminator(settings.discriminator_width, settings.size, levels)
        super().__init__(settings, ADVERSARIAL_BETA, generator=generator, discriminator=D)
        self.refine = generator.stage2

    def wrap(self, wrapper: Wrapper) -> None:
        self.refine, self.discriminator = wrapper(self.refine), wrapper(self.discriminator)

    def update(self, batch: Batch) -> dict[str, Tensor]:
        with torch.no_grad():
            coarse = self.result.stage1(batch.I_a, batch.K_a, batch.K_b)
        I_hat = self.refine(coarse, batch.I_a)
        L_img = mask_l1(I_hat, batch.I_b, person_mask(batch.K_b, batch.I_b))

        with frozen(self.modules["discriminator"]) as D:
            L_adv = adversarial_loss(self._logits(D, batch, coarse, I_hat)[2])
        step(self.optimizers["generator"], L_adv + self.settings.l1_weight * L_img)

        real, *fakes = self._logits(self.discriminator, batch, coarse, I_hat.detach())
        L_D = discriminator_loss(real, torch.cat(fakes))
        step(self.optimizers["discriminator"], L_D)

        losses = {"discriminator": L_D, "adversarial": L_adv, "image": L_img}
        return {name: loss.detach() for name, loss in losses.items()}

    def _logits(self, D: nn.Module, batch: Batch, coarse: Tensor, I_hat: Tensor) -> list[Tensor]:
        """Logits of I_b, I_a and I_hat, in one batch: they share its batch-norm statistics.

        Up to a height of 128, as in the authors' code, G1's images are in the batch as well; no
        loss uses their logits.
        """
        groups = [batch.I_b, batch.I_a, I_hat]
        if I_hat.shape[2] <= MARKET_HEIGHT:
            groups.append(coarse)
        return list(D(torch.cat(groups)).chunk(len(groups))[:3])


def build_stage1(settings: Stage1Settings) -> Stage1:
    """Raises InputError for a size that the networks cannot halve."""
    return Stage1(settings.width, settings.bottleneck, settings.size)


def build_generator(stage1: nn.Module, settings: Stage2Settings) -> Generator:
    return Generator(stage1, G2(settings.width, settings.size))


stage1_task = Reconstruction
stage2_task = Refinement
