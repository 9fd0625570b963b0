"""LPIPS needs the user's own package: a metric with it, a clear error without it."""

import sys
import types

import pytest
import torch
from torch import nn

from vdg.errors import InputError
from vdg.metrics import perceptual


class Distance(nn.Module):
    """Mock of lpips.LPIPS with the same interface: mean absolute difference."""

    def __init__(self, net, verbose):
        super().__init__()
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
    return tmp_path / "checkpoints" / perceptual.BACKBONE


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
    with pytest.raises(InputError, match="another hash"):
        perceptual.check_available()


def test_pictures_are_scaled_and_each_has_its_figure(package, monkeypatch):
    package.write_bytes(b"")
    monkeypatch.setattr(perceptual, "sha256", lambda path: "7be5be79ff")
    x = torch.zeros(3, 3, 8, 8, dtype=torch.uint8)
    y = x.clone()
    y[1], y[2] = 255, 51
    figures = perceptual.Perceptual()(x, y)
    torch.testing.assert_close(figures, torch.tensor([0, 2, 0.4]))
