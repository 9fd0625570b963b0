import io
import zipfile

import numpy as np
import pytest
import torch
from PIL import Image
from skimage.metrics import structural_similarity

from vdg import config
from vdg.errors import InputError
from vdg.metrics import scorer
from vdg.metrics.scorer import noise_floor
from vdg.metrics.ssim import mask_ssim, ssim

SETTINGS = {
    "gaussian": {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False},
    "uniform": {"win_size": 7},
    "wide": {"win_size": 51},
}


def reference(x, y, window, data_range=255):
    """scikit-image, image by image; x, y: (N, 3, H, W)."""
    ranges = np.broadcast_to(data_range, len(x))
    return np.array(
        [
            structural_similarity(a, b, channel_axis=0, data_range=r, **SETTINGS[window])
            for a, b, r in zip(x, y, ranges, strict=True)
        ]
    )


def assert_agrees(x, y, window, data_range=255):
    ours = ssim(torch.tensor(x), torch.tensor(y), window=window, data_range=data_range)
    assert ours.shape == (len(x),)
    np.testing.assert_allclose(ours, reference(x, y, window, data_range), rtol=0, atol=1e-5)


def hard_pairs(height, width):
    """Random, similar, flat and saturated pairs, and flat beside a step: (9, 3, H, W)."""
    random = np.random.default_rng(0)
    noise, other = random.integers(0, 256, (2, 3, height, width))
    step = np.zeros_like(noise)
    step[:, : height // 2] = 255
    pairs = [
        (noise, other),
        (noise, np.clip(noise + other // 16, 0, 255)),
        (noise, noise),
        (np.full_like(noise, 200), np.full_like(noise, 10)),
        (np.full_like(noise, 255), noise),
        (np.where(noise > 127, 255, 0), np.where(other > 127, 255, 0)),
        (step, 255 - step),
        (step, np.clip(step + noise // 64, 0, 255)),
        (step // 64 + 200, step),
    ]
    return (np.stack(part).astype(np.uint8) for part in zip(*pairs, strict=True))


@pytest.mark.parametrize("window", SETTINGS)
@pytest.mark.parametrize("size", [(64, 32), (128, 64), (11, 11), (75, 76), (256, 256)])
def test_agrees_with_scikit_image(window, size):
    if min(size) < SETTINGS[window].get("win_size", 11):
        pytest.skip("no window fits")
    assert_agrees(*hard_pairs(*size), window)


def test_one_window_alone():
    assert_agrees(*hard_pairs(7, 7), "uniform")


def test_order_in_memory_does_not_matter():
    x, y = (torch.tensor(part) for part in hard_pairs(64, 32))
    last = [part.contiguous(memory_format=torch.channels_last) for part in (x, y)]
    torch.testing.assert_close(ssim(*last), ssim(x, y), rtol=0, atol=0)


@pytest.mark.parametrize("window", SETTINGS)
@pytest.mark.parametrize("size", [(64, 52), (256, 256)])  # in one stack, and in several
def test_range_of_each_generated_image(window, size):
    x, y = hard_pairs(*size)
    x = np.maximum(x, 1)
    x[:, :, 0, 0] = 0  # no image is flat: its range would be 0
    ranges = np.ptp(x, axis=(1, 2, 3)).astype(np.float64)
    assert_agrees(x, y, window, torch.from_numpy(ranges))


@pytest.mark.parametrize("window", SETTINGS)
def test_agrees_on_real_crops(market, window):
    with zipfile.ZipFile(market / "Market-1501-v15.09.15.zip") as archive:
        names = sorted(n for n in archive.namelist() if n.endswith(".jpg"))[:200:10]
        crops = [np.array(Image.open(io.BytesIO(archive.read(n))).convert("RGB")) for n in names]
    images = np.stack(crops).transpose(0, 3, 1, 2)
    assert_agrees(images[:-1], images[1:], window)


def test_float32_images_of_the_loss():
    x, y = (part / np.float32(255) for part in hard_pairs(64, 32))
    ours = ssim(torch.tensor(2 * x), torch.tensor(2 * y), data_range=2.0)
    assert ours.dtype == torch.float32
    expected = reference(2.0 * x.astype(float), 2.0 * y.astype(float), "gaussian", 2)
    np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-4)


def test_autocast_does_not_lower_the_precision():
    x, y = torch.rand(2, 2, 3, 64, 32)
    expected = ssim(x, y, data_range=1.0)
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(ssim(x, y, data_range=1.0), expected, rtol=0, atol=0)


@pytest.mark.parametrize("window", ["gaussian", "uniform"])
def test_gradient(window):
    torch.manual_seed(0)
    x, y = torch.rand(2, 2, 2, 14, 13, dtype=torch.float64)
    with torch.inference_mode():
        ssim(x, y, window=window)  # must not poison what training needs
    x.requires_grad_()
    assert torch.autograd.gradcheck(lambda x: ssim(x, y, window=window, data_range=1.0), x)


def test_gradient_across_tiles_and_stacks():
    torch.manual_seed(0)
    x, y = torch.rand(2, 40, 3, 128, 64)
    x.requires_grad_()
    ssim(x, y, data_range=1.0).sum().backward()
    whole, x.grad = x.grad, None
    ssim(x[:1], y[:1], data_range=1.0).sum().backward()
    torch.testing.assert_close(whole[0], x.grad[0])


def test_mask_ssim_blackens_outside_the_mask():
    x, y = hard_pairs(64, 32)
    mask = np.zeros((len(x), 1, 64, 32), np.uint8)
    mask[:, :, 10:50, 8:24] = 255
    body = (mask > 0).astype(np.uint8)
    ours = mask_ssim(torch.tensor(x), torch.tensor(y), torch.tensor(mask))
    np.testing.assert_allclose(ours, reference(x * body, y * body, "gaussian"), atol=1e-5)


def test_image_smaller_than_the_window():
    x = torch.zeros(1, 3, 64, 10)
    with pytest.raises(InputError, match=r"64 x 10 .* 11 x 11"):
        ssim(x, x)


def test_unequal_shapes():
    with pytest.raises(InputError, match=r"\[1, 3, 64, 32\] and \[2, 3, 64, 32\]"):
        ssim(torch.zeros(1, 3, 64, 32), torch.zeros(2, 3, 64, 32))


@pytest.mark.parametrize("size", [(51, 64), (64, 50)])
def test_the_wide_window_is_scored_where_it_fits(size):
    x, y = hard_pairs(*size)
    score = scorer.Scorer(y.transpose(0, 2, 3, 1), None, None)
    metrics, table = score(x.transpose(0, 2, 3, 1))
    assert ("ssim_51" in metrics) == (min(size) >= 51)
    if "ssim_51" in metrics:
        np.testing.assert_allclose(table["ssim_51"], reference(x, y, "wide"), atol=1e-5)


def test_a_crop_of_51_columns_would_have_its_name():
    targets = np.zeros((1, 64, 64, 3), np.uint8)
    with pytest.raises(InputError, match="crop_width 51: ssim_51 is the SSIM with a window of 51"):
        scorer.Scorer(targets, None, None, crop_width=51)
    source = {"reader": "market1501", "archive": "a.zip"}
    section = {"height": 128, "width": 64, "source": source, "evaluation": {"crop_width": 51}}
    with pytest.raises(ValueError, match="ssim_51 is the SSIM with a window of 51"):
        config.Dataset.model_validate(section)


@pytest.mark.parametrize("size", [(64, 32), (33, 17)])
def test_the_floor_of_mask_ssim_is_that_of_noise_against_noise(size):
    """Drawn in parts, because the noise of 1,000 large masks exceeds a laptop's memory."""
    masks = np.random.default_rng(1).random((300, *size)) < 0.5
    rng = np.random.default_rng(0)
    x, y = (rng.integers(0, 256, (290, *size, 3), np.uint8) for _ in range(2))
    x, y = (torch.as_tensor(images).permute(0, 3, 1, 2) for images in (x, y))
    expected = mask_ssim(x, y, torch.as_tensor(masks[:290])[:, None]).mean()
    assert noise_floor(masks, 290) == pytest.approx(float(expected), abs=1e-12)
