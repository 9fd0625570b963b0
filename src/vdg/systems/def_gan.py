"""Def-GAN: deformable skip connections (Siarohin, Sangineto, Lathuiliere, Sebe, CVPR 2018).

One stage, adversarial from the first step. Ten body parts of the target pose each have an affine
map to the source; the skip connections carry the source's features, warped part by part, and the
maximum over the parts.

Symbols: I = image, (B, 3, H, W) in [-1, 1]; K = key points, (B, 18, 2), (y, x) in pixels, negative
= missing; P = heat maps; a = source view, b = target view. Points of the maps are (x, y).
Layers and constants are those of the authors' code, which differs from the paper in places: its
normalisation is a layer norm, its warp nearest-neighbour.
"""

import itertools
import math
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vdg.data.batches import Batch
from vdg.errors import InputError
from vdg.heat_maps import capped_heat_maps
from vdg.pose import JOINTS, TORSO
from vdg.settings import Count, TrainingSettings, Weight
from vdg.training.features import FeatureName, load_features, nearest_neighbour_loss
from vdg.training.losses import adversarial_loss, l1
from vdg.training.task import ADVERSARIAL_BETA, Task, frozen, step

P = len(JOINTS)
HEAD = (0, 14, 15, 16, 17)
STARTS = (8, 11, 9, 12, 2, 5, 3, 6)  # right and left thigh, shin, upper arm, forearm
ENDS = (9, 12, 10, 13, 3, 6, 4, 7)
OTHER_SIDE = (1, 0, 3, 2, 5, 4, 7, 6)
FITTED = (*TORSO, *HEAD)
"""Joints of the two fitted parts: body = the first four; head = the shoulders and HEAD."""

START_EXTENSION = 0.1  # of the limb's length, beyond its first joint
END_EXTENSION = (0.1, 0.1, 0.5, 0.5) * 2  # beyond its second; shins and forearms carry feet, hands
HALF_WIDTH = 0.2  # of a limb, in lengths of the torso
HEAD_RADIUS = 0.4  # in lengths of the torso
ABSENT = ((1.0, 0.0, 1000.0), (0.0, 1.0, 1000.0))
"""The map of a part that cannot be located: it reads outside of every image, which gives zeros."""
SINGULAR = 1e-6  # a smaller determinant, or share of the largest eigenvalue, is rounding

WARPED_LEVELS = 4
WIDEST = 8  # in widths
DROPOUT_BLOCKS = 3


class Stage1Settings(TrainingSettings):
    width: Count = 64  # channels at full resolution, and of the discriminator's first level
    warp: Literal["nearest", "bilinear", "none"] = "nearest"  # none: the authors' baseline
    l1_weight: Weight = 100.0  # 0 leaves the nearest-neighbour loss, the authors' full model
    features: FeatureName = "none"  # of the nearest-neighbour loss
    nn_weight: Weight = 0.0
    nn_window: Count = 3  # pixels, odd: 3 for Market-1501, 5 for DeepFashion


class Pose:
    """Key points as the maps need them, in float64.

    points: (B, 18, 2), (x, y) in pixels. found: bool (B, 18).
    torso: (B,), the length from hips to shoulders in pixels, 0 where one of the four is missing.
    """

    def __init__(self, K: Tensor):
        K = K.double() if K.device.type != "mps" else K.cpu().double()  # MPS has no float64
        self.points, self.found = K.flip(-1), (K >= 0).all(-1)
        right_shoulder, left_shoulder, right_hip, left_hip = self.points[:, TORSO].unbind(1)
        sides = torch.stack([right_hip - right_shoulder, left_hip - left_shoulder])
        length = sides.square().sum(-1).mean(0).sqrt()
        self.torso = length * self.found[:, TORSO].all(1)

    def limbs_found(self) -> Tensor:
        """bool (B, 8): both joints of each limb."""
        return self.found[:, STARTS] & self.found[:, ENDS]

    def rectangles(self) -> Tensor:
        """(B, 8, 3, 2): each limb's rectangle: centre, length and half width, as vectors."""
        start, end = self.points[:, STARTS], self.points[:, ENDS]
        start = start + START_EXTENSION * (start - end)
        end = end + self.points.new_tensor(END_EXTENSION)[:, None] * (end - start)
        along = start - end
        across = torch.stack([-along[..., 1], along[..., 0]], -1)
        across = F.normalize(across, dim=-1) * (HALF_WIDTH * self.torso)[:, None, None]
        return torch.stack([(start + end) / 2, along, across], 2)


def part_maps(a: Pose, b: Pose) -> Tensor:
    """(B, 10, 2, 3) float64: target pixel (x, y, 1) -> source pixel (x, y), part by part.

    Order: body, head, then the limbs of STARTS; ABSENT where a part cannot be located.
    """
    maps, known = zip(_fitted_maps(a, b), _limb_maps(a, b), strict=True)
    maps, known = torch.cat(maps, 1), torch.cat(known, 1)
    # nan compares as false, so that what divided by zero is absent too
    known &= (maps[..., :2].det().abs() > SINGULAR) & maps.isfinite().all(-1).all(-1)
    return torch.where(known[..., None, None], maps, maps.new_tensor(ABSENT))


def _fitted_maps(a: Pose, b: Pose) -> tuple[Tensor, Tensor]:
    """Maps of body and head (B, 2, 2, 3), and whether they are known (B, 2)."""
    joint = torch.arange(len(FITTED), device=b.found.device)
    head = (a.found & b.found)[:, FITTED] & (joint >= 4)
    used = torch.stack([(joint < 4).expand_as(head), head | (joint < 2)], 1)
    source, target = (p.points[:, None, FITTED].expand(-1, 2, -1, -1) for p in (a, b))
    maps, known = total_least_squares(source, target, used)
    return maps, known & (a.torso * b.torso > 0)[:, None]


def total_least_squares(source: Tensor, target: Tensor, used: Tensor) -> tuple[Tensor, Tensor]:
    """Affine maps that send target points to source points, by homogeneous total least squares.

    Source: the normalised direct linear transformation of Hartley and Zisserman, Multiple View
    Geometry, chapter 4. source, target: (..., N, 2) float64; used: bool (..., N).
    Returns maps (..., 2, 3) and whether the points determine them, bool (...).
    """
    p, scale_a, centre_a = _normalised(source, used)
    q, scale_b, centre_b = _normalised(target, used)
    point = torch.cat([q, torch.ones_like(q[..., :1])], -1)
    zero = torch.zeros_like(point)
    for_x = torch.cat([point, zero, p[..., :1]], -1)
    for_y = torch.cat([zero, point, p[..., 1:]], -1)
    rows = torch.cat([for_x * used[..., None], for_y * used[..., None]], -2)
    values, vectors = torch.linalg.eigh(rows.mT @ rows)
    known = values[..., 1] > SINGULAR**2 * values[..., -1]  # else any of several maps would do
    solution = -vectors[..., :6, 0] / vectors[..., 6:, 0]
    linear, shift = solution.unflatten(-1, (2, 3)).split([2, 1], -1)
    linear = linear * (scale_b / scale_a)
    shift = centre_a.mT + shift / scale_a - linear @ centre_b.mT
    return torch.cat([linear, shift], -1), known


def _normalised(points: Tensor, used: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The used points centred and scaled to an RMS distance of sqrt(2); scale and centre."""
    used = used.unsqueeze(-1)
    count = used.sum(-2, keepdim=True)
    centre = (points * used).sum(-2, keepdim=True) / count
    square = ((points - centre).square() * used).sum((-2, -1), keepdim=True) / count
    scale = math.sqrt(2) / square.sqrt().clamp(min=SINGULAR)
    return (points - centre) * scale, scale, centre


def _limb_maps(a: Pose, b: Pose) -> tuple[Tensor, Tensor]:
    """Maps of the limbs (B, 8, 2, 3), and whether they are known (B, 8).

    A limb that the source does not show is read from the source's other side. The authors' maps
    are those of rectangles with an END_EXTENSION of 0.3 for 0.5, which are the same maps: both
    ends move in proportion.
    """
    source, target = a.rectangles(), b.rectangles()
    found, others = a.limbs_found(), a.limbs_found()[:, OTHER_SIDE]
    source = torch.where(found[..., None, None], source, source[:, OTHER_SIDE])
    axes = target[:, :, 1:]
    inverse = axes / axes.square().sum(-1, keepdim=True)  # the axes are orthogonal
    linear = source[:, :, 1:].mT @ inverse
    shift = source[:, :, :1].mT - linear @ target[:, :, :1].mT
    return torch.cat([linear, shift], -1), b.limbs_found() & (found | others)


def part_masks(b: Pose, height: int, width: int) -> Tensor:
    """bool (B, 10, height, width): the target's pixels that belong to each part."""
    y = torch.arange(height, device=b.points.device, dtype=torch.float64)[:, None]
    x = torch.arange(width, device=b.points.device, dtype=torch.float64)
    body = torch.ones_like(b.torso, dtype=torch.bool)[:, None, None, None]
    masks = [body.expand(-1, 1, height, width), _head_mask(b, y, x), _limb_masks(b, y, x)]
    return torch.cat(masks, 1)


def _head_mask(b: Pose, y: Tensor, x: Tensor) -> Tensor:
    """(B, 1, height, width): a square around the mean of the head's joints."""
    found = b.found[:, HEAD, None]
    centre = (b.points[:, HEAD] * found).sum(1) / found.sum(1).clamp(min=1)
    centre, radius = centre.floor(), (HEAD_RADIUS * b.torso).floor()[:, None]
    low, high = (edge[..., None, None] for edge in (centre - radius, centre + radius))
    inside = (x >= low[:, 0]) & (x < high[:, 0]) & (y >= low[:, 1]) & (y < high[:, 1])
    return (inside & found.any(1)[:, None])[:, None]


def _limb_masks(b: Pose, y: Tensor, x: Tensor) -> Tensor:
    """(B, 8, height, width): the limbs' rectangles, their edges included."""
    centre, along, across = b.rectangles()[..., None, None].unbind(2)

    def within(axis: Tensor, extent: float) -> Tensor:
        place = (x - centre[:, :, 0]) * axis[:, :, 0] + (y - centre[:, :, 1]) * axis[:, :, 1]
        return place.abs() <= axis.square().sum(2) * extent + SINGULAR

    return within(along, 0.5) & within(across, 1.0) & b.limbs_found()[..., None, None]


class Warp:
    """Warps the source's features to the target pose: part by part, then the maximum.

    mode: "nearest" or "bilinear". What a part's mask excludes, and what lies outside of the
    source, counts as zero.
    """

    def __init__(self, K_a: Tensor, K_b: Tensor, height: int, width: int, mode: str):
        a, b = Pose(K_a), Pose(K_b)
        self.maps = part_maps(a, b).to(K_a.device, torch.float32)
        self.masks = part_masks(b, height, width).to(K_a.device)
        self.mode = mode

    def __call__(self, features: Tensor, scale: int) -> Tensor:
        """features: (B, C, H / scale, W / scale). Returns the same shape."""
        B, C, height, width = features.shape
        # a row for each pixel and, after those of an image, one of zeros for what is not read
        rows = F.pad(features.permute(0, 2, 3, 1).reshape(B, -1, C), (0, 0, 0, 1)).flatten(0, 1)
        taps = self._taps(height, width, scale)
        part = _largest(rows.detach(), taps)
        # the largest part alone has a gradient: ten of them would take most of a step
        chosen = (tuple(of_part.T.gather(1, part) for of_part in tap) for tap in taps)
        warped = sum(_weighted(rows.gather(0, index), *weight) for index, *weight in chosen)
        return warped.view(B, height, width, C).permute(0, 3, 1, 2)

    def _taps(self, height: int, width: int, scale: int) -> list[tuple[Tensor, ...]]:
        """The pixels that each part reads for each target pixel: rows and, if not 1, their weights.

        One tap for "nearest", four with weights for "bilinear"; each (10, B * height * width).
        """
        u, v = self._coordinates(height, width, scale)
        if self.mode == "nearest":
            return [(self._index(_rounded(u), _rounded(v), scale),)]
        corners = [(u.floor() + i, v.floor() + j) for i in (0, 1) for j in (0, 1)]
        weights = [(1 - (u - x).abs()) * (1 - (v - y).abs()) for x, y in corners]
        indices = [self._index(x, y, scale) for x, y in corners]
        return [(i, w.transpose(0, 1).flatten(1)) for i, w in zip(indices, weights, strict=True)]

    def _coordinates(self, height: int, width: int, scale: int) -> tuple[Tensor, Tensor]:
        """Columns and rows of the source that target pixels read, each (B, 10, height, width)."""
        y = torch.arange(height, device=self.maps.device, dtype=torch.float32)[:, None]
        x = torch.arange(width, device=self.maps.device, dtype=torch.float32)
        maps = self.maps[..., None, None]
        on_x, on_y, shift = maps[:, :, :, 0], maps[:, :, :, 1], maps[:, :, :, 2] / scale
        return (on_x * x + on_y * y + shift).unbind(2)

    def _index(self, u: Tensor, v: Tensor, scale: int) -> Tensor:
        """The row of a pixel that each part reads: long (10, B * height * width)."""
        height, width = u.shape[-2:]
        mask = self.masks[:, :, ::scale, ::scale]
        inside = mask & (u >= 0) & (u < width) & (v >= 0) & (v < height)
        place = torch.where(inside, v * width + u, height * width).long()
        first = torch.arange(len(u), device=u.device) * (height * width + 1)
        return (place + first[:, None, None, None]).transpose(0, 1).flatten(1)


def _largest(rows: Tensor, taps: list[tuple[Tensor, ...]]) -> Tensor:
    """Which part has the largest value, by a running maximum: long (B * height * width, C)."""

    def read(part: int) -> Tensor:
        of_part = ([x[part] for x in tap] for tap in taps)
        return sum(
            _weighted(rows.index_select(0, index), *(w[:, None] for w in weight))
            for index, *weight in of_part
        )

    largest = read(0)
    best = torch.zeros_like(largest, dtype=torch.uint8)
    for part in range(1, len(taps[0][0])):
        value = read(part)
        best = torch.maximum(best, (value > largest).byte() * part)
        largest = torch.maximum(largest, value)
    return best.long()


def _weighted(values: Tensor, weight: Tensor | None = None) -> Tensor:
    return values if weight is None else values * weight


def _rounded(x: Tensor) -> Tensor:
    """To the nearest integer, halves away from zero."""
    return (x + 0.5 * x.sign()).trunc()


class LayerNorm(nn.Module):
    """Normalises all of an image's features together, with one gain and one bias.

    The authors divide by std + 0.001, this by sqrt(var + 0.001^2), which has a fast kernel: its
    results are larger by a factor of 1 + 0.001 / std, which the gain can take back.
    """

    def __init__(self):
        super().__init__()
        self.gain, self.bias = nn.Parameter(torch.ones(())), nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        gain, bias = (p.expand(x.shape[1]).to(x.dtype) for p in (self.gain, self.bias))
        return F.group_norm(x, 1, gain, bias, eps=1e-6)


def down(channels: int, out: int, norm: bool = True) -> nn.Sequential:
    """LeakyReLU and a convolution to half the size."""
    convolution = nn.Conv2d(channels, out, 4, stride=2, padding=1, bias=False)
    return nn.Sequential(nn.LeakyReLU(0.2), convolution, *([LayerNorm()] if norm else []))


class Encoder(nn.Module):
    """(B, channels, H, W) -> features of every level, (B, widths[l], H / 2^l, W / 2^l)."""

    def __init__(self, channels: int, widths: list[int]):
        super().__init__()
        self.first = nn.Conv2d(channels, widths[0], 3, padding=1)
        last = len(widths) - 2
        steps = enumerate(itertools.pairwise(widths))
        self.down = nn.ModuleList(down(c, out, norm=i < last) for i, (c, out) in steps)

    def forward(self, x: Tensor) -> list[Tensor]:
        levels = [self.first(x)]
        for layers in self.down:
            levels.append(layers(levels[-1]))
        return levels


class Decoder(nn.Module):
    """Skip connections, finest first, -> image (B, 3, H, W) in [-1, 1]."""

    def __init__(self, width: int, skips: list[int]):
        super().__init__()
        outs = [width * min(2 ** (level + 1), WIDEST) for level in range(len(skips) - 1)]
        ins = [out + skip for out, skip in zip([*outs, 0], skips, strict=True)]
        blocks = list(zip(ins[1:], outs, strict=True))[::-1]
        self.up = nn.ModuleList(
            _up(*channels, dropout=i < DROPOUT_BLOCKS) for i, channels in enumerate(blocks)
        )
        self.last = nn.Sequential(nn.ReLU(), nn.Conv2d(ins[0], 3, 3, padding=1))

    def forward(self, skips: list[Tensor]) -> Tensor:
        x = skips[-1]
        for up, skip in zip(self.up, skips[-2::-1], strict=True):
            x = torch.cat([up(x), skip], 1)
        return torch.tanh(self.last(x).float())


def _up(channels: int, out: int, dropout: bool) -> nn.Sequential:
    convolution = nn.ConvTranspose2d(channels, out, 4, stride=2, padding=1, bias=False)
    layers = [nn.ReLU(), convolution, LayerNorm()]
    return nn.Sequential(*layers, *([nn.Dropout(0.5)] if dropout else []))


class Generator(nn.Module):
    """(I_a, K_a, K_b) -> I_b. One encoder per view; the source's features enter warped.

    levels: halvings of the size. warp "none": one encoder for both views, the authors' baseline.
    """

    def __init__(self, width: int, levels: int, warp: str):
        super().__init__()
        widths = [width * min(2**level, WIDEST) for level in range(levels + 1)]
        self.warp = warp
        if warp == "none":
            self.encoder = Encoder(3 + 2 * P, widths)
        else:
            self.source_encoder = Encoder(3 + P, widths)
            self.target_encoder = Encoder(P, widths)
        self.decoder = Decoder(width, [w if warp == "none" else 2 * w for w in widths])
        self.apply(_initialise)

    def forward(self, I_a: Tensor, K_a: Tensor, K_b: Tensor) -> Tensor:
        P_a, P_b = (capped_heat_maps(K, *I_a.shape[-2:]) for K in (K_a, K_b))
        if self.warp == "none":
            return self.decoder(self.encoder(torch.cat([I_a, P_a, P_b], 1)))
        height, width = I_a.shape[-2:]
        warp = Warp(K_a, K_b, height, width, self.warp)
        source = self.source_encoder(torch.cat([I_a, P_a], 1))
        for level in range(min(WARPED_LEVELS, len(source) - 1)):
            source[level] = warp(source[level], 2**level)
        both = zip(source, self.target_encoder(P_b), strict=True)
        return self.decoder([torch.cat(views, 1) for views in both])


class Discriminator(nn.Module):
    """(I_a, K_a, K_b, image) -> logits of "real" for patches, (B, 1, h, w) float32."""

    def __init__(self, width: int, levels: int):
        super().__init__()
        widths = [width * 2**level for level in range(levels)]
        first = nn.Conv2d(2 * (3 + P), width, 4, stride=2)
        middle = itertools.starmap(down, itertools.pairwise(widths))
        self.layers = nn.Sequential(first, *middle, down(widths[-1], 1, norm=False))
        self.apply(_initialise)

    def forward(self, I_a: Tensor, K_a: Tensor, K_b: Tensor, image: Tensor) -> Tensor:
        P_a, P_b = (capped_heat_maps(K, *I_a.shape[-2:]) for K in (K_a, K_b))
        return self.layers(torch.cat([I_a, P_a, image, P_b], 1)).float()


def _initialise(layer: nn.Module) -> None:
    """Keras' defaults."""
    if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.xavier_uniform_(layer.weight)
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)


class Adversarial(Task):
    """L_adv + L_img; each step one update of the discriminator and one of the generator.

    L_img = l1_weight * L1 + nn_weight * nearest-neighbour loss. The published DSC is 100 * L1
    alone, the published full model the nearest-neighbour loss alone.
    """

    settings: Stage1Settings
    discriminator: nn.Module

    def __init__(self, generator: nn.Module, settings: Stage1Settings):
        D = Discriminator(settings.width, min(4, _levels(settings.size) - 1))
        super().__init__(settings, ADVERSARIAL_BETA, generator=generator, discriminator=D)
        self.features = load_features(settings.features)
        if self.features is not None:
            self.modules["features"] = self.features

    def update(self, batch: Batch) -> dict[str, Tensor]:
        given = (batch.I_a, batch.K_a, batch.K_b)
        I_hat = self.generator(*given)

        # real and generated images in one pass: nothing in the network mixes images
        judged = torch.cat([batch.I_b, I_hat.detach()])
        real, fake = self.discriminator(*(torch.cat([x, x]) for x in given), judged).chunk(2)
        L_D = F.softplus(-real).mean() + F.softplus(fake).mean()  # the sum, not half of it
        step(self.optimizers["discriminator"], L_D)

        with frozen(self.modules["discriminator"]) as D:
            L_adv = adversarial_loss(D(*given, I_hat))
        losses = {"adversarial": L_adv} | self._image(I_hat, batch.I_b)
        step(self.optimizers["generator"], losses["adversarial"] + losses["image"])
        return {name: loss.detach() for name, loss in (losses | {"discriminator": L_D}).items()}

    def _image(self, I_hat: Tensor, I_b: Tensor) -> dict[str, Tensor]:
        """The terms of L_img by name, and their weighted sum as `image`."""
        terms = {"l1": l1(I_hat, I_b)}
        image = self.settings.l1_weight * terms["l1"]
        if self.features is not None:
            V_hat, V_b = self.features(I_hat), self.features(I_b)
            terms["nn"] = nearest_neighbour_loss(V_hat, V_b, self.settings.nn_window)
            image = image + self.settings.nn_weight * terms["nn"]
        return terms | {"image": image}


def _levels(size: tuple[int, int]) -> int:
    """Halvings to the bottom, which is 4 pixels high: 4 at a height of 64, 5 at 128, 6 at 256.

    Raises InputError for a size that does not divide so often.
    """
    height, width = size
    levels = max(height.bit_length() - 3, 3)
    unit = 2**levels
    if height % unit or width % unit or width < 2 * unit:
        raise InputError(
            f"def_gan does not fit images of {height} x {width} pixels: at this height both must be"
            f" multiples of {unit}, the width at least {2 * unit}; change the data set's size"
        )
    return levels


def build_stage1(settings: Stage1Settings) -> nn.Module:
    """Raises InputError for a size or a loss that does not fit."""
    if settings.nn_window % 2 == 0:
        raise InputError(
            f"nn_window: {settings.nn_window} pixels have no middle; set an odd number"
        )
    if (settings.features == "none") != (settings.nn_weight == 0):
        raise InputError(
            "def_gan: features and nn_weight go together; set both (python -m bench.feature_weights"
            " measures a weight), or features to none and nn_weight to 0"
        )
    return Generator(settings.width, _levels(settings.size), settings.warp)


def stage1_task(generator: nn.Module, settings: Stage1Settings) -> Adversarial:
    """Raises InputError where the weights of `features` cannot be had."""
    return Adversarial(generator, settings)
