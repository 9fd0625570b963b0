"""Fixtures shared by several test files."""

import gc
import os
from pathlib import Path

import numpy as np
import pytest
import torch
import typed
from hypothesis import settings

from vdg.data import synthetic
from vdg.data.download import fetch
from vdg.data.images import ImageSet
from vdg.data.preparation import build
from vdg.keypoints.annotations import read_keypoints, write_keypoints
from vdg.settings import RunConfig

pytest_plugins = ["command_line", "folders_of", "repositories"]  # its fixtures

ROOT = Path(__file__).parents[1]

gc.disable()  # until all tests are found: what is made until then stays
# the same examples in every run, and no failure because a machine is busy
settings.register_profile("vdg", deadline=None, derandomize=True)
settings.load_profile("vdg")
# on tensors as small as these, threads mostly wait for each other; so in what the tests start
torch.set_num_threads(1)
os.environ["OMP_NUM_THREADS"] = "1"


LONG = "pipeline onnx folder rerun resume distributed static_page generate demo page_faults report"
LONG_FIRST = [f"test_{name}" for name in LONG.split()]


def pytest_collection_modifyitems(items):
    """Files that take long first, so that at the end no process has one while others wait."""
    places = {name: place for place, name in enumerate(LONG_FIRST)}
    items.sort(key=lambda item: places.get(item.path.stem, len(places)))


def pytest_collection_finish():
    gc.freeze()
    gc.enable()


def published(folder: str, *files: str) -> Path:
    """A folder of raw/, or of shared/data/ beside the repository; skips if a file is missing."""
    for place in (ROOT / "raw", ROOT.parent / "shared" / "data"):
        if all((place / folder / file).is_file() for file in files):
            return place / folder
    pytest.skip(f"needs raw/{folder}/ with {', '.join(files)}")


@pytest.fixture(scope="session")
def market() -> Path:
    """The folder of Market-1501's archive and published files."""
    csv = "market-annotation-train.csv", "market-annotation-test.csv", "market-pairs-test.csv"
    return published("market1501", "Market-1501-v15.09.15.zip", *csv)


@pytest.fixture(scope="session")
def market_poses(market) -> dict[str, dict[str, np.ndarray]]:
    """Market-1501's published key points of each official split, by name, in file order."""
    parts = ("train", "test")
    return {part: read_keypoints(market / f"market-annotation-{part}.csv") for part in parts}


@pytest.fixture
def pose():
    """Make key points with only the given joints present: {joint: (y, x)} -> (18, 2)."""

    def make(joints: dict[int, tuple[int, int]]) -> np.ndarray:
        keypoints = np.full((18, 2), -1, np.int16)
        for joint, place in joints.items():
            keypoints[joint] = place
        return keypoints

    return make


@pytest.fixture
def packed(tmp_path):
    """Write the download stage's output for noise images: {split: {name: (18, 2)}}."""

    def write(parts: dict[str, dict[str, np.ndarray]], height=32, width=16) -> Path:
        random = np.random.default_rng(0)
        for part, poses in parts.items():
            names = sorted(poses)
            images = random.integers(0, 256, (len(names), height, width, 3)).astype(np.uint8)
            identities = [name.split("_")[0] for name in names]
            ImageSet(names, identities, images).save(tmp_path / f"{part}.safetensors")
            write_keypoints(tmp_path / f"annotation-{part}.csv", poses, poses.values())
        return tmp_path

    return write


@pytest.fixture(scope="session")
def drawn_data(tmp_path_factory) -> Path:
    """Output of the download and pose-heatmaps stages for a few rendered people, 32 x 16."""
    folder = tmp_path_factory.mktemp("drawn") / "data"
    source = {"reader": "synthetic", "train_identities": 5, "test_identities": 1, "views": 3}
    settings = {"height": 32, "width": 16, "source": source | {"seed": 0}}
    fetch(synthetic, settings, folder / "download")
    split = {"split": "official", "hold_out_identities": 1, "validation_identities": 1}
    splits = build(folder / "download", **split, device="cpu")
    for name, poses in splits.items():
        poses.save(folder / "poses" / f"{name}.safetensors")
    return folder


@pytest.fixture
def stage1_config() -> RunConfig:
    """configs/<dataset>/stage1-vdg.json of a training on `drawn_data`."""
    return typed.run_config(typed.vdg(learning_rate=1e-4))


@pytest.fixture
def any_code(monkeypatch):
    """Stages in the test's own process, where more of the project is imported than a run has."""
    for module in ("vdg.code", "vdg.train"):
        monkeypatch.setattr(f"{module}.require_unchanged", lambda code: None)


@pytest.fixture(scope="session")
def small_model(tmp_path_factory) -> Path:
    """The file of a micro VDG for images of 32 x 16."""
    return typed.save(tmp_path_factory.mktemp("small") / "model.safetensors")


@pytest.fixture
def uniform():
    """Make the same random tensors in every run: uniform(*shape, low=-1, high=1)."""
    generator = torch.Generator().manual_seed(0)

    def make(*shape: int, low: float = -1, high: float = 1) -> torch.Tensor:
        return torch.rand(shape, generator=generator) * (high - low) + low

    return make
