"""The part warp: the source image moved onto the target pose, body part by body part.

An addition to the paper, without anything to train: four further input channels for a generator,
beside the target's heat maps P_b, because like them they lie where the target's pixels are.

Each of ten parts (torso, head, thighs, shins, upper arms, forearms) is a bone between two points
of the skeleton. Its map takes the target's bone to the source's: it scales along the bone by the
ratio of their lengths, and across it by one factor. Parts are painted over one another with soft
masks around the target's bones.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from vdg.heat_maps import constant
from vdg.pose import JOINTS, MIRRORED, TORSO

R_SHOULDER, L_SHOULDER, R_HIP, L_HIP = TORSO
IN_TORSO = tuple(joint in TORSO for joint in range(len(JOINTS)))
NOSE, *_ = FACE = (0, 14, 15)  # nose and eyes: what the back of a head does not show
HEAD = (*FACE, 16, 17)
HIPS, SHOULDERS, CROWN = range(len(JOINTS), len(JOINTS) + 3)
"""Points added to the 18 joints: the middles of the hips, of the shoulders and of the head."""


class Part(NamedTuple):
    """A body part. Lengths are in lengths of the torso, from hips to shoulders.

    start, end: the points that its bone joins.
    radius, end_radius: half of its width at either end; of the torso, the margin beyond hips and
        shoulders.
    before, after: how far it continues beyond either end, before it is rounded off.
    fade: length over which it fades in before its start, where another part continues it.
    """

    start: int
    end: int
    radius: float
    end_radius: float
    before: float = 0.0
    after: float = 0.0
    fade: float = 0.15


def _limbs(start: int, end: int, *radii: float, **shape: float) -> tuple[Part, Part]:
    """A limb of the right side and that of the left."""
    return Part(start, end, *radii, **shape), Part(MIRRORED[start], MIRRORED[end], *radii, **shape)


PARTS = (
    Part(HIPS, SHOULDERS, 0.18, 0.16, before=0.2, after=-0.05),
    *_limbs(8, 9, 0.23, 0.17, fade=0.3),
    *_limbs(9, 10, 0.16, 0.13, after=0.15),
    *_limbs(2, 3, 0.16, 0.13),
    *_limbs(3, 4, 0.12, 0.10, after=0.15),
    Part(SHOULDERS, CROWN, 0.15, 0.23, after=0.1, fade=0.1),
)
"""From the lowest layer to the topmost; the sizes were chosen by eye."""

SHORTEST = 1 / 32  # of a torso, in image heights: one that is shorter counts as missing
STUB = 0.1  # least length of a bone: a limb that points at the camera would become a streak
DEPTH = 0.22  # half of the torso's depth: its half width in a side view
FLANK = 0.3  # distance from the bone at which the prior for the scale across it acts
FEATHER = 0.08  # width of a mask's soft edge, at least one pixel
CROWN_HEIGHT, RISE = 0.37, (0.3, 0.6)  # of the head's middle above the shoulders: usual, possible
HAIRLINE = 0.07  # above the head's middle
SIDEWAYS = 0.25  # the head's middle moves this much of what its joints do: an ear is at its rim


@torch.no_grad()
def part_warp(I_a: Tensor, K_a: Tensor, K_b: Tensor) -> Tensor:
    """The source image, moved part by part onto the target pose.

    I_a: (B, 3, H, W) in [-1, 1]. K_a, K_b: (B, 18, 2), (y, x) in pixels, negative = missing, of
    any real dtype; the source's and the target's. There is no gradient.

    Returns float32 (B, 4, H, W), channels last: three channels of the image in [-1, 1], multiplied
    by the fourth, the coverage in [0, 1], so that both are 0 (mid grey) where no part lies. Paste
    it over any other image x by `warp[:, :3] + (1 - warp[:, 3:]) * x`.

    A limb is left out without its joints in the target. Where the source lacks them, it comes from
    the source's other side, mirrored. Between front and back views all parts are mirrored, and of
    the head only the hair is moved. What would come from outside the source image is not covered.
    A shoulder or hip that is missing, as in side views, is taken to be where the other one is;
    where both shoulders or both hips are missing in one of the poses, nothing is covered.
    """
    height, width = I_a.shape[-2:]
    a, b = _skeleton(K_a, height), _skeleton(K_b, height)
    present, swapped = _sides(a, b)
    bones_a, bones_b = _bones(a, swapped), _bones(b, torch.zeros_like(swapped))
    matrix, shift = _map(bones_a, bones_b, _scales(a, b, bones_a, bones_b, swapped))
    slopes, offsets = _normalised(matrix, shift, height, width)
    grid = _field(slopes, offsets, height, width).movedim(1, -1)
    framed = F.pad(I_a.float(), (0, 0, 0, 0, 0, 1), value=1)  # a last channel, 0 outside the frame
    layers = F.grid_sample(framed, grid.flatten(1, 2), align_corners=True)
    return _paint(layers.unflatten(2, (-1, height)), _masks(a, b, bones_b, present, height, width))


class _Skeleton(NamedTuple):
    """points: (B, 21, 2), (x, y), joints and added points; found: (B, 21), none without a torso.

    up: (B, 2), from the hips to the shoulders; unit: (B,), its length, at least one pixel.
    """

    points: Tensor
    found: Tensor
    up: Tensor
    unit: Tensor


def _skeleton(keypoints, height):
    found = (keypoints >= 0).all(-1)
    joints = keypoints.float().flip(-1)
    mirrored, replaced, torso, head = (
        constant(x, joints.device) for x in (MIRRORED, IN_TORSO, TORSO, HEAD)
    )
    missing = replaced & ~found
    joints = joints[:, mirrored].where(missing[..., None], joints)
    hips = (joints[:, R_HIP] + joints[:, L_HIP]) / 2
    shoulders = (joints[:, R_SHOULDER] + joints[:, L_SHOULDER]) / 2
    up = shoulders - hips
    length = up.norm(dim=-1)
    known = (found | found[:, mirrored])[:, torso].all(1)
    whole = known & (length >= SHORTEST * height)
    crown = shoulders + _crown(joints[:, head] - shoulders[:, None], found[:, head], up)
    points = torch.cat([joints, torch.stack([hips, shoulders, crown], 1)], 1)
    found = F.pad(found, (0, 3), value=True) & whole[:, None]
    return _Skeleton(points, found, up, length.clamp(min=1))


def _crown(head, found, up):
    """The middle of the head, seen from the shoulders: (B, 2), from its joints (B, 5, 2)."""
    mean = (head * found[..., None]).sum(1) / found.sum(1, keepdim=True).clamp(min=1)
    square = (up * up).sum(-1, keepdim=True).clamp(min=1)
    rise = (mean * up).sum(-1, keepdim=True) / square
    aside = SIDEWAYS * (mean - rise * up)
    rise = torch.where(found.any(1, keepdim=True), rise.clamp(*RISE), CROWN_HEIGHT)
    return rise * up + aside


class _Table(NamedTuple):
    """The shapes of PARTS on one device: (parts,) each."""

    radius: Tensor
    end_radius: Tensor
    before: Tensor
    after: Tensor
    fade: Tensor


def _table(device):
    _, _, *columns = zip(*PARTS, strict=True)
    return _Table(*(constant(column, device) for column in columns))


def _sides(a, b):
    """Which parts can be painted, and which of them from the source's other side: (B, parts)."""
    ends = _ends(a.found.device)
    own, other = (a.found[:, side].all(1) for side in ends)
    return (own | other) & b.found[:, ends[0]].all(1), other & ~own


def _ends(device):
    """The points of the bones, then those of the other side's bones: (2, 2, parts)."""
    mirrored = (*MIRRORED, HIPS, SHOULDERS, CROWN)
    ends = tuple(part.start for part in PARTS), tuple(part.end for part in PARTS)
    other = tuple(tuple(mirrored[i] for i in points) for points in ends)
    return constant((ends, other), device)


class _Bones(NamedTuple):
    """The bones of one pose. start: (B, parts, 2), (x, y); along: unit vectors; length: (B, parts),
    in pixels."""

    start: Tensor
    along: Tensor
    length: Tensor


def _bones(skeleton, swapped):
    own, other = (skeleton.points[:, side] for side in _ends(swapped.device))
    start, end = torch.where(swapped[:, None, :, None], other, own).unbind(1)
    # a little of the torso's direction gives a bone of no length one, too
    along = F.normalize(end - start + 1e-3 * skeleton.up[:, None], dim=-1)
    length = torch.maximum((end - start).norm(dim=-1), STUB * skeleton.unit[:, None])
    return _Bones(start, along, length)


def _left_of(vector):
    """Unit vectors (..., 2), turned by a right angle."""
    x, y = vector.unbind(-1)
    return torch.stack([-y, x], -1)


def _scales(a, b, bones_a, bones_b, swapped):
    """Scales from target to source, along and across each bone: (B, parts) twice.

    Across, all but the torso scale with the torsos' lengths. A negative scale mirrors.
    """
    turn, torso = _torso_scale(a, b, bones_a, bones_b)
    across = (turn * a.unit / b.unit)[:, None] * torch.where(swapped, -1, 1)
    across[:, 0] = torso
    return bones_a.length / bones_b.length, across


def _torso_scale(a, b, bones_a, bones_b):
    """Whether front and back differ, 1 or -1, and the scale across the torso: (B,) twice.

    Shoulders and hips tell front from back, in side views the nose. The scale is that of least
    squares over shoulders and hips, and over a point at either flank that moves by the ratio of
    the torsos' lengths: in a side view, where joints say little, the flanks decide.
    """
    side_a, side_b = _across_torso(a, bones_a), _across_torso(b, bones_b)
    both = (a.found & b.found)[:, constant((*TORSO, NOSE), a.found.device)]
    turn = torch.where((side_a * side_b * both).sum(1) < 0, -1, 1)
    flank = (FLANK * b.unit) ** 2
    moved = (side_a * side_b)[:, :4].sum(1) + flank * turn * a.unit / b.unit
    return turn, moved / ((side_b**2)[:, :4].sum(1) + flank)


def _across_torso(skeleton, bones):
    """Signed distance of shoulders, hips and nose from the torso's bone: (B, 5)."""
    joints = constant((*TORSO, NOSE), bones.start.device)
    points = skeleton.points[:, joints] - bones.start[:, :1]
    return (points * _left_of(bones.along[:, :1])).sum(-1)


def _map(bones_a, bones_b, scales):
    """Affine maps from target to source pixels: matrices (B, 2, parts, 2), shifts (B, 2, parts)."""
    along, across = (scale[:, None, :, None] for scale in scales)
    a, b = bones_a.along.mT[..., None], bones_b.along[:, None]
    left_a, left_b = _left_of(bones_a.along).mT[..., None], _left_of(bones_b.along)[:, None]
    matrix = along * a * b + across * left_a * left_b
    return matrix, bones_a.start.mT - (matrix * bones_b.start[:, None]).sum(-1)


def _normalised(matrix, shift, height, width):
    """The same maps to the coordinates of `grid_sample`: -1 and 1 at the outermost pixels."""
    size = constant((width, height), shift.device)[:, None]
    half = (size - 1) / 2
    return matrix / half[..., None], shift / half - 1


def _field(slopes, offsets, height, width):
    """Linear functions of the pixel's (x, y): slopes (..., 2), offsets (...) -> (..., H, W)."""
    x, y = (torch.arange(n, device=slopes.device) for n in (width, height))
    rows = slopes[..., 1:] * y + offsets[..., None]
    return rows[..., None] + (slopes[..., :1] * x)[..., None, :]


def _masks(a, b, bones, present, height, width):
    """Opacity of each part: (B, parts, H, W), 1 inside a rounded outline around its bone."""
    table = _table(present.device)
    edge = (FEATHER * b.unit).clamp(min=1)[:, None]  # all lengths below are in widths of the edge
    unit, low, high = (length / edge for length in (b.unit[:, None], *_extents(a, b, bones)))
    along, across = _distances(bones, edge, height, width)
    on_bone = along.clamp(low[..., None, None], high[..., None, None])
    y0, y1 = _core(b) / edge[:, 0]
    across[:, 0] -= _line(low[:, 0], high[:, 0], y0, y1, on_bone[:, 0])
    start, end = (torch.where(present, radius * unit, -1e6) for radius in table[:2])
    rim = _line(low, high, start + 0.5, end + 0.5, on_bone)
    opacity = rim.sub_((along - on_bone).hypot_(across.clamp_(min=0))).clamp_(0, 1)
    fade = _line(low - table.fade * unit, low, 0 * low, 1 + 0 * low, along).clamp_(0, 1)
    return opacity.mul_(fade)


def _distances(bones, edge, height, width):
    """From each pixel to each bone: signed along it from its start, and across it.

    edge: (B, 1), the unit of length, in pixels. Returns (B, parts, H, W) twice.
    """
    frame = torch.stack([bones.along, _left_of(bones.along)], 1) / edge[..., None, None]
    shift = -(frame * bones.start[:, None]).sum(-1)
    along, across = _field(frame, shift, height, width).unbind(1)
    return along, across.abs_()


def _line(x0, x1, y0, y1, x):
    """y of the straight line through (x0, y0) and (x1, y1) at x, which has two more axes."""
    slope = (y1 - y0) / (x1 - x0)
    return torch.addcmul((y0 - slope * x0)[..., None, None], slope[..., None, None], x)


def _extents(a, b, bones):
    """Where each part begins and ends on its bone, in pixels from the start: (B, parts) twice.

    The head begins at the hairline where one pose shows the face and the other does not.
    """
    table, unit = _table(b.unit.device), b.unit[:, None]
    low, high = -table.before * unit, bones.length + table.after * unit
    face = constant(FACE, unit.device)
    turned = a.found[:, face].any(1) ^ b.found[:, face].any(1)
    hairline = bones.length[:, -1] + HAIRLINE * b.unit
    low[:, -1] = torch.where(turned, hairline, low[:, -1])
    return low, high


def _core(b):
    """Half of the torso's width at the hips and the shoulders: (2, B)."""
    points = b.points
    hips = points[:, R_HIP] - points[:, L_HIP]
    shoulders = points[:, R_SHOULDER] - points[:, L_SHOULDER]
    half = torch.stack([hips, shoulders]).norm(dim=-1) / 2
    return torch.maximum(half, DEPTH * b.unit)


def _paint(layers, alpha):
    """Lay the parts over one another: layers (B, 4, parts, H, W), alpha (B, parts, H, W).

    The last channel of the layers says how much of a sample lies inside the source, and the others
    are multiplied by it.
    """
    warp = torch.zeros_like(layers[:, :, 0])
    for layer, opacity in zip(layers.unbind(2), alpha[:, None].unbind(2), strict=True):
        warp.mul_(1 - opacity * layer[:, 3:]).addcmul_(layer, opacity)
    return warp.clamp_(-1, 1).contiguous(memory_format=torch.channels_last)
