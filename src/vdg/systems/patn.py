"""PATN: progressive pose attention transfer (Zhu et al., CVPR 2019).

One stage, adversarial from the first step. A cascade of blocks carries the image's features and
those of both poses; each block lets the poses say, by a sigmoid, where the image changes. Two
discriminators judge appearance (against I_a) and shape (against P_b).

Symbols: I = image, (B, 3, H, W) in [-1, 1]; K = key points, (B, 18, 2), (y, x) in pixels, negative
= missing; P = heat maps; a = source view, b = target view. Layers and constants are those of the
authors' code.
"""

from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from vdg.blocks import mirror_edges
from vdg.data.batches import Batch
from vdg.errors import InputError
from vdg.heat_maps import capped_heat_maps
from vdg.pose import JOINTS
from vdg.settings import Count, TrainingSettings, Weight
from vdg.training.features import FeatureName, load_features, perceptual_loss
from vdg.training.losses import l1
from vdg.training.task import ADVERSARIAL_BETA, Task, frozen, step

P = len(JOINTS)
DISCRIMINATOR_BLOCKS = 3


class Stage1Settings(TrainingSettings):
    width: Count = 64  # channels at full resolution, of the generator and the discriminators
    blocks: Count = 9
    norm: Literal["batch", "instance"] = "batch"  # instance: DeepFashion
    adversary: Literal["cross-entropy", "least-squares"] = "cross-entropy"
    adversarial_weight: Weight = 5.0
    l1_weight: Weight = 10.0
    features: FeatureName = "none"  # of the perceptual loss
    perceptual_weight: Weight = 10.0  # with vgg19
    pool: Annotated[int, Field(ge=0, le=1000)] = 50  # earlier images that the discriminators see


class ReflectionPad(nn.Module):
    """Mirrors `margin` pixels at each edge, as nn.ReflectionPad2d does.

    That has no deterministic gradient on CUDA; on a CPU it is ten times as fast as its replacement.
    """

    def __init__(self, margin: int):
        super().__init__()
        self.margin = margin

    def forward(self, x: Tensor) -> Tensor:
        if x.is_cuda:
            return mirror_edges(x, self.margin)
        return F.pad(x, (self.margin,) * 4, mode="reflect")


class Dropout(nn.Dropout):
    """nn.Dropout, whose mask takes four times as long to draw on a CPU."""

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return x
        kept = torch.rand_like(x, dtype=torch.float32) >= self.p
        return x * (kept.to(x.dtype) / (1 - self.p))


class Layers:
    """Builds layers with one kind of norm, "batch" or "instance"; the latter adds biases."""

    def __init__(self, norm: str):
        self.norm = {"batch": nn.BatchNorm2d, "instance": nn.InstanceNorm2d}[norm]
        self.bias = norm == "instance"

    def activation(self, channels: int) -> list[nn.Module]:
        return [self.norm(channels), nn.ReLU()]

    def convolution(self, channels: int, out: int, size: int = 3) -> list[nn.Module]:
        return [ReflectionPad(size // 2), nn.Conv2d(channels, out, size, bias=self.bias)]

    def down(self, channels: int, out: int) -> list[nn.Module]:
        convolution = nn.Conv2d(channels, out, 3, stride=2, padding=1, bias=self.bias)
        return [convolution, *self.activation(out)]

    def up(self, channels: int, out: int) -> list[nn.Module]:
        shape = {"stride": 2, "padding": 1, "output_padding": 1}
        convolution = nn.ConvTranspose2d(channels, out, 3, bias=self.bias, **shape)
        return [convolution, *self.activation(out)]

    def stem(self, channels: int, width: int) -> list[nn.Module]:
        """To 4 * width channels at a quarter of the size."""
        first = [*self.convolution(channels, width, 7), *self.activation(width)]
        return [*first, *self.down(width, 2 * width), *self.down(2 * width, 4 * width)]

    def pair(self, channels: int, out: int) -> list[nn.Module]:
        """Two convolutions, the second without norm."""
        first = [*self.convolution(channels, channels), *self.activation(channels)]
        return [*first, Dropout(0.5), *self.convolution(channels, out)]


class AttentionBlock(nn.Module):
    """Features of image and poses -> those of the image (B, C, h, w), of both (B, 2C, h, w)."""

    def __init__(self, layers: Layers, channels: int, pose_channels: int):
        super().__init__()
        self.image = nn.Sequential(*layers.pair(channels, channels), layers.norm(channels))
        self.pose = nn.Sequential(*layers.pair(pose_channels, channels))

    def forward(self, image: Tensor, pose: Tensor) -> tuple[Tensor, Tensor]:
        s = self.pose(pose)
        image = image + self.image(image) * torch.sigmoid(s)
        return image, torch.cat([s, image], 1)


class Generator(nn.Module):
    """(I_a, K_a, K_b) -> I_b."""

    def __init__(self, width: int, blocks: int, norm: str):
        super().__init__()
        layers, channels = Layers(norm), 4 * width
        self.image = nn.Sequential(*layers.stem(3, width))
        self.pose = nn.Sequential(*layers.stem(2 * P, width))
        self.blocks = nn.ModuleList(
            AttentionBlock(layers, channels, 2 * channels if i else channels) for i in range(blocks)
        )
        up = layers.up(channels, 2 * width) + layers.up(2 * width, width)
        self.up = nn.Sequential(*up, ReflectionPad(3), nn.Conv2d(width, 3, 7))
        self.apply(_initialise)

    def forward(self, I_a: Tensor, K_a: Tensor, K_b: Tensor) -> Tensor:
        poses = torch.cat([capped_heat_maps(K, *I_a.shape[-2:]) for K in (K_a, K_b)], 1)
        image, pose = self.image(I_a), self.pose(poses)
        for block in self.blocks:
            image, pose = block(image, pose)
        return torch.tanh(self.up(image).float())


class Discriminator(nn.Module):
    """(image, condition) -> logits of "real", (B, 4 * width, H / 4, W / 4) float32.

    condition: an image, or the key points of a pose. There is no last convolution to one channel:
    every value of every feature map is a logit, as in the authors' code.
    """

    def __init__(self, condition: int, width: int, norm: str):
        super().__init__()
        layers = Layers(norm)
        self.stem = nn.Sequential(*layers.stem(3 + condition, width))
        self.residuals = nn.ModuleList(
            nn.Sequential(*layers.pair(4 * width, 4 * width), layers.norm(4 * width))
            for _ in range(DISCRIMINATOR_BLOCKS)
        )

    def forward(self, image: Tensor, condition: Tensor) -> Tensor:
        if condition.ndim == 3:
            condition = capped_heat_maps(condition, *image.shape[-2:])
        x = self.stem(torch.cat([image, condition], 1))
        for residual in self.residuals:
            x = x + residual(x)
        return x.float()


def _initialise(layer: nn.Module) -> None:
    """The generator's; the authors leave the discriminators at PyTorch's defaults."""
    if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(layer.weight, 0, 0.02)
    elif isinstance(layer, nn.BatchNorm2d):
        nn.init.normal_(layer.weight, 1, 0.02)


class Pool(nn.Module):
    """Earlier images of the generator with their conditions, for a discriminator.

    Source: Shrivastava et al., CVPR 2017. Once the pool is full, half of the images that come
    change places with one of it. With several processes each has its own, and a checkpoint that of
    the first.
    images: (size, 3, H, W), conditions: (size, ...), count: how many there are so far.
    """

    def __init__(self, size: int, image: tuple[int, ...], condition: tuple[int, ...]):
        super().__init__()
        self.register_buffer("images", torch.zeros(size, *image))
        self.register_buffer("conditions", torch.zeros(size, *condition))
        self.register_buffer("count", torch.zeros((), dtype=torch.long))

    def exchange(self, image: Tensor, condition: Tensor) -> tuple[Tensor, Tensor]:
        """Images and conditions (B, ...), some of them replaced by earlier ones."""
        size, count = len(self.images), int(self.count)
        added = min(len(image), size - count)
        self.images[count : count + added] = image[:added]
        self.conditions[count : count + added] = condition[:added]
        self.count += added
        # drawn on the CPU, whose generator's state is in the checkpoints
        places = added + (torch.rand(len(image) - added) < 0.5).nonzero()[:size, 0]
        slots = torch.randperm(size)[: len(places)].to(image.device)
        places = places.to(image.device)
        return (
            _swapped(image, places, self.images, slots),
            _swapped(condition, places, self.conditions, slots),
        )


def _swapped(new: Tensor, places: Tensor, stored: Tensor, slots: Tensor) -> Tensor:
    """A copy of `new` in which those at `places` come from `slots`, where theirs are put."""
    mixed = new.clone()
    mixed[places] = stored[slots]
    stored[slots] = new[places]
    return mixed


def cross_entropy(logits: Tensor, real: bool) -> Tensor:
    """Binary cross-entropy of sigmoid(logits) to 1 (real) or 0, over all values."""
    return F.softplus(-logits if real else logits).mean()


def least_squares(scores: Tensor, real: bool) -> Tensor:
    """Squared error to 1 (real) or 0 (Mao et al., ICCV 2017), over all values."""
    return (scores - float(real)).square().mean()


ADVERSARIES = {"cross-entropy": cross_entropy, "least-squares": least_squares}
TERMS = ("adversarial", "l1", "perceptual")


class Adversarial(Task):
    """L_adv + L_1 + L_per; each step updates the generator, then both discriminators.

    L_adv: the mean over both discriminators. L_per: of the features of VGG19; the default leaves it
    out, as it needs weights of the user's.
    """

    settings: Stage1Settings

    def __init__(self, generator: nn.Module, settings: Stage1Settings):
        width, norm, image = settings.width, settings.norm, (3, *settings.size)
        super().__init__(
            settings,
            ADVERSARIAL_BETA,
            generator=generator,
            appearance=Discriminator(3, width, norm),
            shape=Discriminator(P, width, norm),
        )
        self.weights = {name: getattr(settings, f"{name}_weight") for name in TERMS}
        self.score = ADVERSARIES[settings.adversary]
        self.modules["appearance_pool"] = Pool(settings.pool, image, image)
        self.modules["shape_pool"] = Pool(settings.pool, image, (P, 2))
        self.features = load_features(settings.features)
        if self.features is not None:
            self.modules["features"] = self.features

    def update(self, batch: Batch) -> dict[str, Tensor]:
        I_hat = self.generator(batch.I_a, batch.K_a, batch.K_b)
        conditions = {"appearance": batch.I_a, "shape": batch.K_b}
        losses = {"adversarial": self._adversarial(I_hat, conditions)}
        losses |= self._image(I_hat, batch.I_b)
        total = sum(self.weights[name] * loss for name, loss in losses.items())
        step(self.optimizers["generator"], total)
        for name, condition in conditions.items():
            losses[name] = self._discriminator(name, batch.I_b, I_hat.detach(), condition)
            step(self.optimizers[name], losses[name])
        return {name: loss.detach() for name, loss in losses.items()}

    def _adversarial(self, I_hat: Tensor, conditions: dict[str, Tensor]) -> Tensor:
        """What both discriminators, frozen, say of the generated images."""
        scores = []
        for name, condition in conditions.items():
            with frozen(self.modules[name]) as D:
                scores.append(self.score(D(I_hat, condition), True))
        return torch.stack(scores).mean()

    def _image(self, I_hat: Tensor, I_b: Tensor) -> dict[str, Tensor]:
        terms = {"l1": l1(I_hat, I_b)}
        if self.features is not None:
            V_hat, V_b = self.features(I_hat), self.features(I_b)
            terms["perceptual"] = perceptual_loss(V_hat, V_b)
        return terms

    def _discriminator(self, name: str, real: Tensor, fake: Tensor, condition: Tensor) -> Tensor:
        """The loss of one discriminator; real and generated images are batches of their own."""
        fake, earlier = self.modules[f"{name}_pool"].exchange(fake, condition)
        D = getattr(self, name)
        loss = (self.score(D(real, condition), True) + self.score(D(fake, earlier), False)) / 2
        return self.weights["adversarial"] * loss


def build_stage1(settings: Stage1Settings) -> nn.Module:
    """Raises InputError for a size that does not divide by 4."""
    height, width = settings.size
    if height % 4 or width % 4 or min(height, width) < 8:
        raise InputError(
            f"patn does not fit images of {height} x {width} pixels: it needs multiples of 4 from 8"
            " on; set height and width of the data set"
        )
    return Generator(settings.width, settings.blocks, settings.norm)


def stage1_task(generator: nn.Module, settings: Stage1Settings) -> Adversarial:
    """Raises InputError where the weights of `features` cannot be had."""
    return Adversarial(generator, settings)
