"""Structural similarity of image batches, differentiable, on any device.

Wang, Bovik, Sheikh, Simoncelli, "Image quality assessment: from error visibility to structural
similarity", IEEE TIP 13(4), 2004. Window, covariance and border are those of
skimage.metrics.structural_similarity, which the field's evaluation scripts call.
"""

import functools
import itertools

import torch

from vdg.errors import InputError

# On a CPU the sums run over tiles and stacks of images that stay in a core's cache.
TILE = 256  # bytes of window positions per side; longer products would mostly meet the band's zeros
STACK = 2**20  # bytes


def _gaussian(sigma: float, radius: int) -> torch.Tensor:
    taps = torch.exp(-(torch.arange(-radius, radius + 1, dtype=torch.float64) ** 2) / 2 / sigma**2)
    return taps / taps.sum()


# name: taps of the separable window, factor on its covariances
WINDOWS = {
    "gaussian": (_gaussian(1.5, 5), 1.0),  # Def-GAN's setting: population covariance
    "uniform": (torch.full((7,), 1 / 7, dtype=torch.float64), 49 / 48),  # PG2's: sample covariance
}


def ssim(
    x: torch.Tensor, y: torch.Tensor, *, window: str = "gaussian", data_range=255.0
) -> torch.Tensor:
    """Mean SSIM of each image pair over channels and all windows that lie inside the frame.

    x, y: (N, C, H, W), any real dtype.
    window: "gaussian", 11 x 11 taps with sigma 1.5 and population covariance; or "uniform",
        7 x 7 with sample covariance.
    data_range: largest minus smallest possible value, a number or one per image (N,). Def-GAN's
        script takes the range of the generated image; a range of 0 can give nan, as it does there.

    Returns (N,). Integer images are compared in float64, as scikit-image does (bytes under the
    uniform window in whole numbers, which lose nothing), floating-point ones in their own precision
    but at least float32 (keep TF32 matrix products off, torch's default: SSIM subtracts squares of
    nearly equal size).
    Raises InputError for unequal shapes and for images smaller than the window.
    """
    size = len(WINDOWS[window][0])
    height, width = x.shape[-2:]
    if x.shape != y.shape:
        raise InputError(f"SSIM compares images of one shape, not {[*x.shape]} and {[*y.shape]}")
    if min(height, width) < size:
        raise InputError(
            f"images of {height} x {width} (height x width) are smaller than the {size} x {size} "
            f"window of SSIM ({window}): use larger images"
        )
    dtype = torch.promote_types(torch.result_type(x, y), torch.float32)
    if not (x.is_floating_point() or y.is_floating_point()):
        dtype = torch.float64
    total = torch.zeros(len(x), dtype=dtype, device=x.device)
    if window == "uniform" and x.dtype == y.dtype == torch.uint8:
        dtype = torch.int32  # sums of whole numbers are exact
    data_range = torch.ones(len(x), dtype=total.dtype, device=x.device) * data_range
    with torch.autocast(x.device.type, enabled=False):  # bfloat16 cannot hold E[p^2] - E[p]^2
        tile = TILE // dtype.itemsize
        for i, j in itertools.product(_tiles(height, size, tile), _tiles(width, size, tile)):
            a, b = x[..., i, j].to(dtype), y[..., i, j].to(dtype)
            step = len(a) if a.is_cuda else max(1, STACK // a[0].nbytes)
            stacks = zip(a.split(step), b.split(step), data_range.split(step), strict=True)
            sums = [_ssim_map(*stack, window).sum((2, 3)).mean(1) for stack in stacks]
            total = total + torch.cat(sums)
    return total / ((height - size + 1) * (width - size + 1))


def mask_ssim(x: torch.Tensor, y: torch.Tensor, mask: torch.Tensor, **settings) -> torch.Tensor:
    """SSIM over the whole frame after both images went black outside the target's mask.

    x, y: (N, C, H, W); mask: (N, 1, H, W), body where above 0; settings: as for `ssim`.
    The black area scores 1, so the floor is high: report it beside the figure.
    """
    body = mask > 0
    return ssim(x * body, y * body, **settings)


def _ssim_map(x, y, data_range, window):
    # With p = x + y and q = x - y both factors of SSIM are (P - Q + C) / (P + Q + C), which takes
    # four filtered maps instead of five, and loses no digits where x and y are alike.
    mu_p2, var_p, scale = _moments(x + y, window)
    mu_q2, var_q, _ = _moments(x - y, window)
    C1, C2 = (2 * scale * (K * data_range.view(-1, 1, 1, 1)) ** 2 for K in (0.01, 0.03))
    mu_p2 += C1.to(mu_p2.dtype)
    var_p += (C2 / WINDOWS[window][1]).to(var_p.dtype)  # the factor cancels everywhere else
    return (mu_p2 - mu_q2) * (var_p - var_q) / ((mu_p2 + mu_q2) * (var_p + var_q))


def _moments(z, window):
    """Squared mean and variance of each window, both times the third value."""
    if z.dtype == torch.int32:  # up to 510 x 49 squared, which 31 bits hold
        count = len(WINDOWS[window][0]) ** 2
        total = _box_sum(z)
        square = total * total
        spread = _box_sum(z * z).mul_(count).sub_(square)
        return square.float(), spread.float(), count**2
    mean = _smooth(z, window)
    square = mean * mean
    spread = _smooth(z * z, window)
    spread -= square
    return square, spread, 1


def _box_sum(z):
    """Sums over 7 x 7 windows that lie inside, by four additions per axis."""
    for axis in (-1, -2):
        count = z.shape[axis] - 6
        twos = z.narrow(axis, 0, count + 5) + z.narrow(axis, 1, count + 5)
        sums = twos.narrow(axis, 0, count) + twos.narrow(axis, 2, count)
        sums += twos.narrow(axis, 4, count)
        z = sums.add_(z.narrow(axis, 6, count))
    return z


def _smooth(z, window):
    """Filter the last two axes, keeping the positions where the window lies inside."""
    # as products with banded matrices, several times faster on a CPU than depthwise convolution
    down, across = (_band(window, length, z.dtype, z.device) for length in z.shape[-2:])
    return down.mT @ (z @ across)


def _tiles(length, size, tile):
    """Overlapping slices of an axis that hold each position of the window exactly once."""
    positions = length - size + 1
    count = -(-positions // tile)
    bounds = [positions * i // count for i in range(count + 1)]
    return [slice(i, j + size - 1) for i, j in itertools.pairwise(bounds)]


@functools.lru_cache(maxsize=64)
def _band(window, length, dtype, device):
    """(length, length - taps + 1): column j holds the window's taps from row j on."""
    with torch.inference_mode(False):  # cached, so it must serve training too
        taps = WINDOWS[window][0]
        band = torch.zeros(length, length - len(taps) + 1, dtype=torch.float64)
        for i, tap in enumerate(taps):
            band.diagonal(-i).fill_(tap)
        return band.to(device, dtype)
