import os
import runpy
import subprocess
import sys
import types

import numpy as np
import pytest
import scipy.linalg
from conftest import ROOT
from pytorch_fid import fid_score
from scipy.linalg import sqrtm

from vdg.errors import InputError
from vdg.metrics import fid as module
from vdg.metrics.fid import statistics


def fid(features_a, features_b):
    return module.fid(statistics(features_a), statistics(features_b))


def features(n, d, seed, shift=0.0):
    random = np.random.default_rng(seed)
    return random.normal(size=(n, d)) @ random.normal(size=(d, d)) / d**0.5 + shift


def moments(x):
    return x.mean(0), np.cov(x, rowvar=False)


@pytest.mark.parametrize("rows", [module.ROWS, 50, 16, 5])
def test_root_of_the_covariance(monkeypatch, rows):
    monkeypatch.setattr(module, "ROWS", rows)  # in one part, or in more, also of fewer than D
    x = features(50, 8, 0)
    mu, root = statistics(x)
    np.testing.assert_allclose(mu, x.mean(0))
    np.testing.assert_allclose(root.T @ root, np.cov(x, rowvar=False), atol=1e-12)


def test_equal_sets_are_at_distance_zero():
    x = features(60, 20, 0)
    assert fid(x, x[::-1]) == pytest.approx(0, abs=1e-9)


ONE_IMAGE = """
import numpy as np, sys, torch
from vdg.metrics.fid import fid, statistics

random = np.random.default_rng(0)
one = random.random(1280, dtype=np.float32)
other = one * (1 + np.float32(1e-6) * random.standard_normal(1280, dtype=np.float32))
x = np.where(np.arange(2000)[:, None] % 50 < 48, one, other)
torch.set_flush_denormal(True)
print(fid(statistics(x), statistics(np.zeros((2, 1280)))) / np.square(one.astype(float)).sum())
print(sys.float_info.min / 2)
"""


def test_one_image_repeated_where_denormals_are_zero():
    """Its features differ by rounding alone. A scoring flushes denormals, but in one thread."""
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "2", "PYTHONPATH": str(ROOT / "src")}
    command = [sys.executable, "-c", ONE_IMAGE]
    said = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    ratio, smallest = map(float, said.stdout.split())
    assert ratio == pytest.approx(1, abs=1e-4)
    assert smallest == 0  # flushed as before


def test_a_shift_costs_its_squared_length():
    x = features(30, 12, 0)
    assert fid(x, x + 0.5) == pytest.approx(12 * 0.25)


def test_a_scaling_costs_the_trace():
    # S_b = 4 S_a, so Tr(S_a + S_b - 2 (S_a S_b)^(1/2)) = Tr(S_a)
    x = features(40, 6, 0)
    x = x - x.mean(0)
    assert fid(x, 2 * x) == pytest.approx(np.trace(np.cov(x, rowvar=False)))


def test_diagonal_covariances():
    # independent columns: the sum of (sigma_a - sigma_b)^2
    x = np.array([[1.0, 1], [1, -1], [-1, 1], [-1, -1]])
    scale = np.array([3.0, 0.5])
    assert fid(x, x * scale) == pytest.approx((4 / 3) * ((1 - scale) ** 2).sum())


@pytest.mark.parametrize(("n", "m"), [(300, 200), (80, 400)])
def test_equals_pytorch_fid(n, m, monkeypatch):
    # pytorch-fid 0.3.0 passes disp, which scipy 1.18 has no more; without it the root alone returns
    root = types.SimpleNamespace(sqrtm=lambda product, disp: (sqrtm(product), None))
    monkeypatch.setattr(fid_score, "linalg", root)
    a, b = features(n, 32, 0), features(m, 32, 1, shift=0.3)
    expected = fid_score.calculate_frechet_distance(*moments(a), *moments(b))
    assert fid(a, b) == pytest.approx(expected, rel=1e-6)


def test_needs_no_matrix_root_with_disp(monkeypatch):
    """scipy 1.18 removed the argument; a module that imports the function by name would pass it on,
    so the module is run anew."""

    def refuse(A):
        pytest.fail("sqrtm was called")

    monkeypatch.setattr(scipy.linalg, "sqrtm", refuse)
    fresh = runpy.run_path(module.__file__)
    a, b = features(40, 6, 0), features(30, 6, 1, shift=0.3)
    score = fresh["fid"](fresh["statistics"](a), fresh["statistics"](b))
    assert score == pytest.approx(fid(a, b))
    with pytest.raises(TypeError, match="disp"):
        fid_score.calculate_frechet_distance(*moments(a), *moments(b))


def test_fewer_images_than_features():
    # against the root of the product with a ridge so small that it does not show
    a, b = features(10, 16, 0), features(12, 16, 1, shift=0.3)
    (mu_a, S_a), (mu_b, S_b) = moments(a), moments(b)
    ridge = 1e-9 * np.eye(16)
    cross = np.trace(sqrtm((S_a + ridge) @ (S_b + ridge)).real)
    expected = ((mu_a - mu_b) ** 2).sum() + np.trace(S_a) + np.trace(S_b) - 2 * cross
    assert fid(a, b) == pytest.approx(expected, rel=1e-3)


def test_one_image():
    with pytest.raises(InputError, match="at least 2 images, not 1"):
        fid(np.zeros((1, 4)), np.zeros((5, 4)))
