import numpy as np
import pytest
import torch
from scipy import ndimage

from vdg.errors import InputError
from vdg.metrics.gradient import gradient_magnitude
from vdg.metrics.sharpness import sharpness


def random_images(n=4, height=32, width=16):
    return np.random.default_rng(0).integers(0, 256, (n, 3, height, width), dtype=np.uint8)


def test_equals_scipy():
    images = random_images()
    luminance = np.tensordot(images.astype(float), [0.299, 0.587, 0.114], axes=(1, 0))
    expected = [np.hypot(ndimage.sobel(y, 0), ndimage.sobel(y, 1)).mean() for y in luminance]
    np.testing.assert_allclose(gradient_magnitude(torch.tensor(images)), expected, rtol=1e-5)


def test_a_ramp_has_its_slope():
    ramp = (torch.arange(10.0) * 3).expand(1, 3, 8, 10)
    # gain 8, and half the slope in the two columns whose neighbour is replicated
    assert gradient_magnitude(ramp).item() == pytest.approx(3 * 8 * (8 + 2 / 2) / 10, rel=1e-5)


def compare(generated, target):
    return sharpness(*(gradient_magnitude(x).double().numpy() for x in (generated, target)))


def test_sharpness_of_the_targets_and_of_half_their_contrast():
    target = torch.tensor(random_images())
    assert compare(target, target) == 1
    assert compare(target.float() / 2 + 7, target) == pytest.approx(0.5, rel=1e-5)


def test_it_is_a_ratio_of_means_over_the_set():
    target = torch.tensor(random_images(2)).float()
    target[1] *= 0.1
    generated = target * torch.tensor([0.5, 2.0]).view(2, 1, 1, 1)
    a, b = gradient_magnitude(target).tolist()
    assert compare(generated, target) == pytest.approx((0.5 * a + 2 * b) / (a + b), rel=1e-5)


def test_flat_targets():
    flat = torch.full((2, 3, 8, 8), 9, dtype=torch.uint8)
    with pytest.raises(InputError, match="flat"):
        compare(torch.tensor(random_images(2, 8, 8)), flat)
