"""PSNR against scikit-image."""

import math

import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio

from vdg.metrics.psnr import psnr

SHAPE = (4, 3, 24, 16)


@pytest.fixture
def pairs():
    random = np.random.default_rng(0)
    x = random.integers(0, 256, SHAPE).astype(np.uint8)
    noise = random.integers(-60, 61, SHAPE) * np.array([0.1, 0.5, 1, 2])[:, None, None, None]
    return x, np.clip(x + noise, 0, 255).astype(np.uint8)


def test_psnr_is_scikit_images(pairs):
    expected = [peak_signal_noise_ratio(*pair) for pair in zip(*pairs, strict=True)]
    np.testing.assert_allclose(psnr(*map(torch.as_tensor, pairs)), expected, rtol=1e-12)


def test_equal_images_score_as_one_value_off_by_one(pairs):
    x = torch.as_tensor(pairs[0])
    other = x.clone()
    other[:, 1, 5, 7] += torch.where(other[:, 1, 5, 7] < 255, 1, -1).to(torch.uint8)
    bound = 10 * math.log10(255**2 * 3 * 24 * 16)
    for y in (x, other):
        np.testing.assert_allclose(psnr(x, y), [bound] * len(x))
    assert (psnr(*map(torch.as_tensor, pairs)) < bound).all()
