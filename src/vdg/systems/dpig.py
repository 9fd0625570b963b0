"""DPIG, Disentangled Person Image Generation (Ma et al., CVPR 2018); "PDIG" in VDG's table.

The appearance of the source (seven body parts and the background) is encoded into an embedding,
which PG2's G1 decodes in the target pose. It is trained to reconstruct the source image in the
source pose: there are no pairs, and no supervision across poses. The authors' second stage, which
samples embeddings, is not needed for pose transfer and left out. Images higher than 128 pixels take
the form of the authors' DeepFashion experiments: larger crops, no background, eight logits per
image. n is `width`.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vdg.data.batches import Batch
from vdg.pose import JOINTS
from vdg.settings import Count, TrainingSettings, Weight
from vdg.systems.pg2 import (
    G1,
    MARKET_HEIGHT,
    RADIUS,
    Discriminator,
    Encoder,
    Residual,
    conv3,
    disc_maps,
    levels_of,
    limb_mask,
    require_multiple,
    scaled,
    xavier,
)
from vdg.training.losses import adversarial_loss, discriminator_loss, l1
from vdg.training.task import ADVERSARIAL_BETA, Task, frozen, step

FOREGROUND_RADIUS = 7.0
"""Of the limbs in the foreground mask, in pixels, at a height of 128."""

RIGHT_KNEE, RIGHT_ANKLE, LEFT_KNEE, LEFT_ANKLE = 9, 10, 12, 13
NOSE = 0
PARTS = (
    (0, 1, 2, 5, 14, 15, 16, 17),  # head and shoulders
    (2, 3, 4, 5, 6, 7, 8, 11),  # torso and arms
    (8, 9, 10, 11, 12, 13),  # both legs
    (5, 6, 7),  # left arm
    (2, 3, 4),  # right arm
    (11, 12, 13),  # left leg
    (8, 9, 10),  # right leg
)
"""The joints of each body part."""


class Stage1Settings(TrainingSettings):
    width: Count = 16  # 128 as published
    bottleneck: Count = 64  # numbers between encoder and decoder of G1; 64 as published
    part_size: Count = 32  # numbers that describe one body part; 32 as published
    background_size: Count = 128  # numbers that describe the background; 128 as published
    discriminator_width: Count = 8  # 64 as published
    l1_weight: Weight = 20.0  # of L1 against L_adv; 20 as published


def part_boxes(keypoints: Tensor, height: int, width: int) -> tuple[Tensor, Tensor]:
    """Bounding boxes of the detected joints of the seven PARTS, with a margin.

    keypoints: (B, 18, 2), (y, x) in pixels, negative = missing; truncated to whole pixels.
    Returns (boxes (B, 7, 4) as y1, x1, y2, x2 in pixels, inside the image; bool (B, 7), whether any
    joint was detected). A part without one has the box (0, 0, 1, 1).
    """
    device = keypoints.device
    found = (keypoints >= 0).all(-1)
    several, lone, rise = _margins(found, height)[..., None].unbind(1)
    is_nose = torch.arange(len(JOINTS), device=device) == NOSE
    places = keypoints.float().trunc()
    places = torch.stack([places[..., 0] - rise * is_nose, places[..., 1]], -1)[:, None]

    member = [[joint in part for joint in range(len(JOINTS))] for part in PARTS]
    members = torch.tensor(member, device=device) & found[:, None]  # (B, 7, 18)
    count = members.sum(-1)
    margin = torch.where(count == 1, lone, several)[..., None]
    limit = torch.tensor([height - 1, width - 1], device=device)
    outside = ~members[..., None]
    low = (places.masked_fill(outside, torch.inf).amin(2) - margin).clamp(min=0)
    high = (places.masked_fill(outside, -torch.inf).amax(2) + margin).minimum(limit)
    unseen = torch.tensor([0.0, 0.0, 1.0, 1.0], device=device)
    visible = count > 0
    return torch.where(visible[..., None], torch.cat([low, high], -1), unseen), visible


def _margins(found: Tensor, height: int) -> Tensor:
    """(B, 18) -> (B, 3): margin of several joints, margin of one, rise of the nose, in pixels."""
    if height <= MARKET_HEIGHT:
        margins = [scaled(length, height) for length in (6, 10, 0)]
        return torch.tensor(margins, device=found.device).expand(len(found), -1)
    right = found[:, RIGHT_KNEE] | found[:, RIGHT_ANKLE]
    left = found[:, LEFT_KNEE] | found[:, LEFT_ANKLE]
    whole, near = torch.tensor([[10.0, 20, 10], [20, 40, 25]], device=found.device)
    return torch.where((right & left)[:, None], whole, near)  # a close-up has larger parts


def crops(features: Tensor, boxes: Tensor, size: int) -> Tensor:
    """Cut boxes out and resize them bilinearly.

    features: (B, C, H, W). boxes: (B, P, 4), y1, x1, y2, x2 in pixels.
    Returns (B * P, C, size, size). Two matrix products, because the gradient of `grid_sample` is
    not deterministic on CUDA.
    """
    height, width = features.shape[2:]
    rows = _weights(boxes[..., 0], boxes[..., 2], height, size)
    columns = _weights(boxes[..., 1], boxes[..., 3], width, size)
    x = torch.einsum("bpih,bhwc->bpiwc", rows, features.permute(0, 2, 3, 1))
    return torch.einsum("bpjw,bpiwc->bpijc", columns, x).flatten(0, 1).permute(0, 3, 1, 2)


def _weights(start: Tensor, end: Tensor, side: int, size: int) -> Tensor:
    """(B, P) twice -> (B, P, size, side): weight of each pixel in each of `size` samples.

    Coordinates are scaled by (side - 1) / side, as the authors' code does.
    """
    share = torch.linspace(0, 1, size, device=start.device)
    places = (start[..., None] + (end - start)[..., None] * share) / side * (side - 1)
    pixels = torch.arange(side, device=start.device)
    return (1 - (places[..., None] - pixels).abs()).clamp(min=0)


class Tower(nn.Module):
    """(B, n, *size) -> (B, out): PG2's encoder and a linear layer on its last features."""

    def __init__(self, width: int, levels: int, size: tuple[int, int], out: int):
        super().__init__()
        rows, columns = (side // 2 ** (levels - 1) for side in size)
        self.encoder = Encoder(width, levels)
        self.out = nn.Linear(rows * columns * levels * width, out)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.encoder(x)[-1].flatten(1))


class Appearance(nn.Module):
    """(I_a, K_a) -> embedding (B, `out_features`).

    Up to a height of 128 the mask of K_a separates the foreground, which is cropped, from the
    background, which has a tower of its own. A part without detected joints is embedded as zeros.
    """

    def __init__(self, width: int, part_size: int, background_size: int, size: tuple[int, int]):
        super().__init__()
        self.has_background = size[0] <= MARKET_HEIGHT
        levels = levels_of(size[0]) if self.has_background else 7
        self.crop_size = 3 * 2 ** (levels - 1) if self.has_background else 64
        self.first = nn.Sequential(conv3(3, width), nn.ReLU(inplace=True), Residual(width))
        self.parts = Tower(width, levels, (self.crop_size, self.crop_size), part_size)
        self.out_features = len(PARTS) * part_size
        if self.has_background:
            self.background = Tower(width, levels, size, background_size)
            self.out_features += background_size
        self.apply(xavier)

    def forward(self, I_a: Tensor, K_a: Tensor) -> Tensor:
        x, (height, width) = self.first(I_a), I_a.shape[2:]
        if not self.has_background:
            return self._parts(x, K_a)
        M_a = limb_mask(K_a, height, width, scaled(FOREGROUND_RADIUS, height)).to(x.dtype)
        return torch.cat([self._parts(x * M_a, K_a), self.background(x * (1 - M_a))], 1)

    def _parts(self, x: Tensor, K_a: Tensor) -> Tensor:
        boxes, visible = part_boxes(K_a, *x.shape[2:])
        embedded = self.parts(crops(x, boxes, self.crop_size))
        return (embedded.unflatten(0, visible.shape) * visible[..., None]).flatten(1)


class TiledConv(nn.Conv2d):
    """A 3x3 convolution of an embedding, tiled over the image, and of maps; it tiles nothing.

    The convolution of a constant map has nine values: four corners, four edges, inside. They are
    computed on 3x3 pixels and expanded.
    """

    def __init__(self, embedding: int, maps: int, out_channels: int):
        super().__init__(embedding + maps, out_channels, 3, padding=1)
        self.split = (embedding, maps)

    def forward(self, embedding: Tensor, maps: Tensor) -> Tensor:
        """embedding: (B, E). maps: (B, C, H, W), H and W at least 2. Returns (B, out, H, W)."""
        of_embedding, of_maps = self.weight.split(self.split, 1)
        tile = embedding[..., None, None].expand(-1, -1, 3, 3)
        x = F.conv2d(tile, of_embedding, self.bias, padding=1)
        for axis in (2, 3):
            first, inside, last = x.split(1, axis)
            shape = list(x.shape)
            shape[axis] = maps.shape[axis] - 2
            x = torch.cat([first, inside.expand(shape), last], axis)
        return F.conv2d(maps, of_maps, padding=1) + x


class Stage1(nn.Module):
    """(I_a, K_a, K_b) -> I_hat, the appearance of I_a in the pose K_b, (B, 3, H, W), linear."""

    def __init__(
        self,
        width: int,
        bottleneck: int,
        part_size: int,
        background_size: int,
        size: tuple[int, int],
    ):
        super().__init__()
        levels = min(levels_of(size[0]), 5)
        require_multiple(size, 16)  # D halves four times
        self.appearance = Appearance(width, part_size, background_size, size)
        first = TiledConv(self.appearance.out_features, len(JOINTS), width)
        self.decoder = G1(first, width=width, levels=levels, bottleneck=bottleneck, size=size)

    def forward(self, I_a: Tensor, K_a: Tensor, K_b: Tensor) -> Tensor:
        height, width = I_a.shape[2:]
        discs = disc_maps(K_b, height, width, scaled(RADIUS, height))
        return self.decoder(self.appearance(I_a, K_a), discs)


class Reconstruction(Task):
    """L_adv + w mean |I_hat - I_a|, with I_hat in the source pose and w = `l1_weight`.

    One step of the generator, then one of PG2's D, on the same batch. Up to a height of 128 real
    and generated images pass D separately, each with its own batch-norm statistics. The learning
    rate follows `rate`; `lr_decay_fraction` has no effect.
    """

    settings: Stage1Settings
    discriminator: nn.Module

    def __init__(self, generator: nn.Module, settings: Stage1Settings):
        self.one_batch = settings.size[0] > MARKET_HEIGHT
        groups = 8 if self.one_batch else 1
        D = Discriminator(settings.discriminator_width, settings.size, 4, groups)
        super().__init__(settings, ADVERSARIAL_BETA, generator=generator, discriminator=D)

    def rate(self, step: int, steps: int) -> float:
        """Halved after 50,000 and after 100,000 of the published 120,000 steps, in proportion."""
        return 0.5 ** sum(120 * step >= thousands * steps for thousands in (50, 100))

    def update(self, batch: Batch) -> dict[str, Tensor]:
        I_a, K_a = batch.I_a, batch.K_a
        I_hat = self.generator(I_a, K_a, K_a)
        L_1 = l1(I_hat, I_a)

        beside = [I_a] if self.one_batch else []
        with frozen(self.modules["discriminator"]) as D:
            L_adv = adversarial_loss(self._logits(D, *beside, I_hat)[-1])
        step(self.optimizers["generator"], L_adv + self.settings.l1_weight * L_1)

        L_D = discriminator_loss(*self._logits(self.discriminator, I_a, I_hat.detach()))
        step(self.optimizers["discriminator"], L_D)

        losses = {"discriminator": L_D, "adversarial": L_adv, "l1": L_1}
        return {name: loss.detach() for name, loss in losses.items()}

    def _logits(self, D: nn.Module, *groups: Tensor) -> tuple[Tensor, ...]:
        if self.one_batch:
            return D(torch.cat(groups)).chunk(len(groups))
        return tuple(map(D, groups))


def build_stage1(settings: Stage1Settings) -> Stage1:
    """Raises InputError for a size that the networks cannot halve."""
    keys = ("width", "bottleneck", "part_size", "background_size", "size")
    return Stage1(**{key: getattr(settings, key) for key in keys})


stage1_task = Reconstruction
