"""Structural similarity of image batches, differentiable, on any device.

Wang, Bovik, Sheikh, Simoncelli, "Image quality assessment: from error visibility to structural
similarity", IEEE TIP 13(4), 2004. Window, covariance and border are those of
skimage.metrics.structural_similarity, which the field's evaluation scripts call.
"""

import functools
import itertools

import torch

from vdg.errors import InputError

# On a CPU, images are processed in stacks that fit into the caches, and axes in short tiles,
# because a longer tile would mostly multiply the zeros of the band matrix.
STACK = 2**20  # numbers
TILE = 256  # bytes of window positions, in the differentiable version
BLOCK = 16  # window positions, in the uint8 version


def _gaussian(sigma: float, radius: int) -> torch.Tensor:
    offsets = torch.arange(-radius, radius + 1, dtype=torch.float64, device="cpu")
    taps = torch.exp(-(offsets**2) / 2 / sigma**2)
    return taps / taps.sum()


def _ones(count: int) -> torch.Tensor:
    return torch.ones(count, dtype=torch.float64, device="cpu")


# name: taps of the separable window, their sum over both axes, factor on the covariances; on the
# CPU, whatever torch's default device is where this is imported
WINDOWS = {
    "gaussian": (_gaussian(1.5, 5), 1, 1.0),  # Def-GAN's setting: population covariance
    "uniform": (_ones(7), 49, 49 / 48),  # PG2's: sample covariance
    # GFLA's, PIDM's and CFLD's scripts: sample covariance
    "wide": (_ones(51), 2601, 2601 / 2600),
    "narrow": (_gaussian(0.8, 3), 1, 1.0),  # of the part-based loss: 7 taps
}


def ssim(
    x: torch.Tensor, y: torch.Tensor, *, window: str = "gaussian", data_range=255.0
) -> torch.Tensor:
    """Mean SSIM of each image pair over channels and over all windows inside the image.

    x, y: (N, C, H, W), any real dtype.
    window: "gaussian", 11 x 11 taps with sigma 1.5 and population covariance; "uniform", 7 x 7
        with sample covariance; "wide", 51 x 51 with sample covariance; or "narrow", 7 x 7 taps with
        sigma 0.8 and population covariance.
    data_range: largest minus smallest possible value, a number or one per image (N,). Def-GAN's
        script uses the range of the generated image; a range of 0 can give nan, as it does there.

    Returns (N,). Moments of integer images are computed in float64, as in scikit-image. For uint8,
    the uniform window uses exact integer sums, and the quotient needs float32 only. Floating-point
    images are computed in their own precision, but at least float32. Keep TF32 matrix products off
    (torch's default), because SSIM subtracts squares of nearly equal size.
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
    data_range = torch.ones(len(x), dtype=dtype, device=x.device) * data_range
    total = _total_of_bytes if x.dtype == y.dtype == torch.uint8 else _total
    with torch.autocast(x.device.type, enabled=False):  # bfloat16 cannot hold E[p^2] - E[p]^2
        sums = total(x, y, data_range, window)
    return sums / ((height - size + 1) * (width - size + 1))


def mask_ssim(x: torch.Tensor, y: torch.Tensor, mask: torch.Tensor, **settings) -> torch.Tensor:
    """SSIM over the whole image after setting both images to 0 outside the target's mask.

    x, y: (N, C, H, W); mask: (N, 1, H, W), body where above 0; settings: as for `ssim`.
    The black area scores 1, so the floor of the metric is high: report the floor with it.
    """
    body = mask > 0
    return ssim(x * body, y * body, **settings)


def _total(x, y, data_range, window):
    """SSIM, summed over windows and averaged over channels: (N,), differentiable."""
    tile = TILE // data_range.itemsize if x.device.type == "cpu" else max(x.shape[-2:])
    total = torch.zeros_like(data_range)
    for i, j in itertools.product(*(_tiles(length, window, tile) for length in x.shape[-2:])):
        sums = []
        for a, b, ranges in _stacks(x[..., i, j], y[..., i, j], data_range):
            a, b = a.to(ranges.dtype), b.to(ranges.dtype)
            z = torch.stack([a + b, a - b])
            down, across = (_band(window, length, z.dtype, z.device) for length in z.shape[-2:])
            # several times faster on a CPU than depthwise convolution
            means = down.mT @ (z @ across)
            squares = down.mT @ (z * z @ across)
            similarity = _similarity(means, squares, ranges.view(-1, 1, 1, 1), window)
            sums.append(similarity.sum((2, 3)).mean(1))
        total = total + torch.cat(sums)
    return total


@torch.no_grad()
def _total_of_bytes(x, y, data_range, window):
    """`_total` for uint8 images: in place, with few matrix products over all images and maps."""
    channels = x.shape[1]
    # sums of integers up to 49 * 510^2, which float32 represents exactly
    dtype = torch.float32 if window == "uniform" else torch.float64
    sums = []
    data_range = data_range.float().repeat_interleave(channels)
    for *stacks, ranges in _stacks(x.flatten(0, 1), y.flatten(0, 1), data_range):
        # (H, image, W): filtering along either outer axis is then one matrix product
        rows_first = {"dtype": dtype, "memory_format": torch.contiguous_format}
        a, b = (stack.transpose(0, 1).to(**rows_first) for stack in stacks)
        z = a.new_empty(len(a), 2, 2, *a.shape[1:])  # means before squares, p before q
        torch.add(a, b, out=z[:, 0, 0])
        torch.sub(a, b, out=z[:, 0, 1])
        torch.mul(z[:, 0], z[:, 0], out=z[:, 1])
        z = _filter(z, window)
        means, squares = (z.int() if window == "uniform" else z).transpose(0, 2).unbind(1)
        sums.append(_similarity(means, squares, ranges.view(-1, 1), window).sum((0, 2)))
    return torch.cat(sums).double().view(-1, channels).mean(1)


def _similarity(means, squares, data_range, window):
    """SSIM of each window.

    means, squares: (2, ...), filtered maps of p = x + y and q = x - y, and of their squares. Both
    factors of SSIM have the form (P - Q + C) / (P + Q + C) in these maps. This needs four filtered
    maps instead of five, and avoids cancellation where x and y are similar. data_range: its dtype
    is the result's.
    """
    _, weight, factor = WINDOWS[window]
    mu2 = means * means
    minus_var = torch.sub(mu2, squares, alpha=weight).to(data_range.dtype)
    mu2 = mu2.to(data_range.dtype)
    C1, C2 = (2 * (weight * K * data_range) ** 2 for K in (0.01, 0.03))
    mu_p2, var_p = mu2[0] + C1, minus_var[0] - C2 / factor
    mu_q2, var_q = mu2[1], minus_var[1]  # the minus cancels; so does the factor, except at C2
    return (mu_p2 - mu_q2) * (var_p - var_q) / ((mu_p2 + mu_q2) * (var_p + var_q))


def _filter(z, window):
    """Filter the first and the last axis at all positions where the window lies inside."""
    size = len(WINDOWS[window][0])
    height, *others, width = z.shape
    rows = z.new_empty(height - size + 1, z[0].numel())
    for i in _tiles(height, window, BLOCK):
        band = _band(window, i.stop - i.start, z.dtype, z.device)
        torch.mm(band.mT, z.view(height, -1)[i], out=rows[i.start : i.stop - size + 1])
    rows = rows.view(-1, width)
    both = z.new_empty(len(rows), width - size + 1)
    for j in _tiles(width, window, BLOCK):
        band = _band(window, j.stop - j.start, z.dtype, z.device)
        torch.mm(rows[:, j], band, out=both[:, j.start : j.stop - size + 1])
    return both.view(-1, *others, width - size + 1)


def _stacks(x, y, data_range):
    """Split image pairs and their ranges so that four maps of a stack hold about STACK numbers."""
    step = len(x) if x.is_cuda else max(1, STACK // (4 * x.shape[1:].numel()))
    return zip(x.split(step), y.split(step), data_range.split(step), strict=True)


def _tiles(length, window, tile):
    """Overlapping slices of an axis that contain each window position exactly once."""
    size = len(WINDOWS[window][0])
    positions = length - size + 1
    count = -(-positions // tile)
    bounds = [positions * i // count for i in range(count + 1)]
    return [slice(i, j + size - 1) for i, j in itertools.pairwise(bounds)]


@functools.cache  # without limit: a recorded CUDA graph reads where a band lies
def _band(window, length, dtype, device):
    """(length, length - taps + 1): column j holds the window's taps from row j on."""
    with torch.inference_mode(False):  # cached, so it must be usable in training too
        taps = WINDOWS[window][0]
        band = torch.zeros(length, length - len(taps) + 1, dtype=torch.float64)
        for i, tap in enumerate(taps):
            band.diagonal(-i).fill_(tap)
        return band.to(device, dtype)
