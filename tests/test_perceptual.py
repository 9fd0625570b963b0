"""LPIPS needs the user's own package: a metric with it, a clear error without it."""

import sys
import types
import warnings
from pathlib import Path

import pytest
import torch
from torch import nn
from torchvision.models import alexnet

from vdg import backbones, config
from vdg.errors import InputError
from vdg.metrics import perceptual


def torchvision_warns():
    """As it does where lpips asks for AlexNet as older versions of torchvision were asked."""
    where = {"category": UserWarning, "filename": "torchvision/models/_utils.py", "lineno": 208}
    warnings.warn_explicit(
        "'pretrained' is deprecated", module="torchvision.models._utils", **where
    )


class Distance(nn.Module):
    """Mock of lpips.LPIPS with the same interface: mean absolute difference."""

    def __init__(self, net, verbose):
        super().__init__()
        torchvision_warns()
        assert net == "alex"

    def forward(self, x, y):
        assert min(x.min(), y.min()) >= -1
        assert max(x.max(), y.max()) <= 1
        return (x - y).abs().mean((1, 2, 3), keepdim=True)


@pytest.fixture
def package(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "lpips", types.SimpleNamespace(LPIPS=Distance))
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    (tmp_path / "checkpoints").mkdir()
    return tmp_path / "checkpoints" / Path(perceptual.URL).name


def test_without_the_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "lpips", None)
    with pytest.raises(InputError, match="pip install lpips"):
        perceptual.check_available()


def test_without_the_backbone(package, monkeypatch):
    def refuse(*_, **__):
        raise OSError("no network")

    monkeypatch.setattr(torch.hub, "download_url_to_file", refuse)
    with pytest.raises(InputError, match=r"no network.*or set evaluation.lpips to false"):
        perceptual.check_available()


def test_another_file_in_its_place(package):
    package.write_bytes(b"something else")
    with pytest.raises(InputError, match="damaged or another one"):
        perceptual.check_available()


def test_pictures_are_scaled_and_each_has_its_figure(package, monkeypatch):
    package.write_bytes(b"")
    monkeypatch.setattr(backbones, "sha256", lambda path: "7be5be79ff")
    x = torch.zeros(3, 3, 8, 8, dtype=torch.uint8)
    y = x.clone()
    y[1], y[2] = 255, 51
    figures = perceptual.Perceptual()(x, y)
    torch.testing.assert_close(figures, torch.tensor([0, 2, 0.4]))


def test_warnings_of_torchvision_do_not_reach_the_user(package, monkeypatch):
    package.write_bytes(b"")
    monkeypatch.setattr(backbones, "sha256", lambda path: "7be5be79ff")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        perceptual.Perceptual()
        with pytest.raises(UserWarning, match="pretrained"):
            torchvision_warns()


def test_the_smallest_side_is_that_of_alexnet():
    """lpips reads AlexNet's features up to the layer before its last pooling."""
    layers = alexnet(weights=None).features[:12]
    layers(torch.zeros(1, 3, perceptual.SMALLEST, perceptual.SMALLEST))
    with pytest.raises(RuntimeError, match="too small"):
        layers(torch.zeros(1, 3, 64, perceptual.SMALLEST - 1))


@pytest.mark.parametrize("size", [(60, 30), (48, 24)])
def test_images_below_it_are_refused_with_the_settings(size):
    section = {"source": {"reader": "synthetic", "train_identities": 1, "test_identities": 1}}
    section["source"] |= {"views": 2, "seed": 0}
    section |= dict(zip(("height", "width"), size, strict=True))
    config.Dataset.model_validate(section | {"evaluation": {}})
    with pytest.raises(ValueError, match=f"needs sides of {perceptual.SMALLEST} pixels or more"):
        config.Dataset.model_validate(section | {"evaluation": {"lpips": True}})
