"""Folders of noise images to score, and the command that scores them."""

import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from PIL import Image
from skimage.metrics import structural_similarity

from vdg import cli
from vdg.commands.score import main

SETTING = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
NAMES = [f"{i:04d}_c1s1_{i:06d}_00" for i in range(24)]


class Done(NamedTuple):
    """Result of a command that ran in this process, which saves a new process's imports."""

    returncode: int
    stdout: str
    stderr: str
    warnings: str


@pytest.fixture
def score(monkeypatch, capsys):
    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["score", *map(str, arguments)])
        code, message = 0, ""
        try:
            cli.run(main)
        except SystemExit as stop:
            code, message = (1, f"{stop.code}\n") if isinstance(stop.code, str) else (stop.code, "")
        shown = capsys.readouterr()
        return Done(code, shown.out, message, shown.err)

    return run


@pytest.fixture
def pictures() -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Generated and target images, 32 x 16, by name."""
    random = np.random.default_rng(0)
    targets = {name: random.integers(0, 256, (32, 16, 3)).astype(np.uint8) for name in NAMES}
    generated = {
        name: np.clip(pixels + random.integers(-40, 41, pixels.shape), 0, 255).astype(np.uint8)
        for name, pixels in targets.items()
    }
    return generated, targets


@pytest.fixture
def folders(pictures, tmp_path) -> list[Path]:
    return [save(tmp_path / n, p) for n, p in zip(("made", "real"), pictures, strict=True)]


def save(folder: Path, pictures: dict[str, np.ndarray]) -> Path:
    folder.mkdir(exist_ok=True)
    for name, pixels in pictures.items():
        Image.fromarray(pixels).save(folder / f"{name}.png")
    return folder


def skimage_ssim(generated, targets) -> list[float]:
    return [
        structural_similarity(x, y, channel_axis=2, data_range=255, **SETTING)
        for x, y in zip(generated, targets, strict=True)
    ]
