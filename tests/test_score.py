"""python -m stages.score on folders of other systems."""

import json
import subprocess
import sys
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT
from PIL import Image
from skimage.metrics import structural_similarity

from stages.score import main
from vdg import cli
from vdg.data.annotations import write_keypoints
from vdg.pose import pose_mask

SETTING = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
NAMES = [f"{i:04d}_c1s1_{i:06d}_00" for i in range(12)]


class Done(NamedTuple):
    """Result of a command that ran in this process, which saves a new process's imports."""

    returncode: int
    stdout: str
    stderr: str


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
        return Done(code, shown.out, message)

    return run


def test_the_command(folders):
    done = subprocess.run(
        [sys.executable, "-m", "stages.score", "--generated", folders[0], "--target", folders[1]],
        cwd=ROOT,
        text=True,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "| scored | scored |" in done.stdout


def test_flat_targets_have_no_sharpness(score, folders):
    for path in folders[1].iterdir():
        Image.new("RGB", Image.open(path).size, "gray").save(path)
    done = score("--generated", folders[0], "--target", folders[1], "--classifier", "none")
    assert done.returncode == 1
    assert "one flat colour" in done.stderr


def save(folder, pictures):
    folder.mkdir(exist_ok=True)
    for name, pixels in pictures.items():
        Image.fromarray(pixels).save(folder / f"{name}.png")
    return folder


@pytest.fixture
def pictures():
    random = np.random.default_rng(0)
    targets = {name: random.integers(0, 256, (32, 16, 3)).astype(np.uint8) for name in NAMES}
    generated = {
        name: np.clip(pixels + random.integers(-40, 41, pixels.shape), 0, 255).astype(np.uint8)
        for name, pixels in targets.items()
    }
    return generated, targets


@pytest.fixture
def folders(pictures, tmp_path):
    return [save(tmp_path / n, p) for n, p in zip(("made", "real"), pictures, strict=True)]


def expected(generated, targets, mask=None):
    body = dict.fromkeys(NAMES, 1) if mask is None else mask
    return [
        structural_similarity(
            generated[n] * body[n], targets[n] * body[n], channel_axis=2, data_range=255, **SETTING
        )
        for n in NAMES
    ]


@pytest.mark.parametrize("width", [0, 10, 17])
def test_a_crop_that_is_no_crop(score, folders, width):
    generated, target = folders
    crop = ("--crop-width", str(width), "--classifier", "none")
    done = score("--generated", generated, "--target", target, *crop)
    assert done.returncode == 1
    assert f"--crop-width {width}: must be from 11, SSIM's window, to the width, 16" in done.stderr


def test_agrees_with_scikit_image(score, pictures, folders, tmp_path):
    output = tmp_path / "out"
    done = score(
        *("--generated", folders[0], "--target", folders[1], "--classifier", "none"),
        *("--output", output, "--name", "theirs"),
    )
    assert done.returncode == 0, done.stderr
    table = pd.read_csv(output / "scores.csv")
    assert list(table["name"]) == NAMES
    np.testing.assert_allclose(table["ssim"], expected(*pictures), atol=1e-6)
    figures = json.loads((output / "scores.json").read_text())["metrics"]
    assert figures["ssim"] == pytest.approx(np.mean(expected(*pictures)), abs=1e-6)
    assert "mask_ssim" not in figures
    assert f"| theirs | scored | {figures['ssim']:.3f} |" in done.stdout


def test_strips_score_as_folders_do(score, pictures, folders, tmp_path):
    generated, targets = pictures
    strips = {n: np.hstack([np.zeros_like(targets[n]), targets[n], generated[n]]) for n in NAMES}
    whole = score("--generated", folders[0], "--target", folders[1], "--classifier", "none")
    cut = score("--strips", save(tmp_path / "strips", strips), "--classifier", "none")
    assert cut.returncode == 0, cut.stderr
    assert cut.stdout == whole.stdout


def test_masks_from_pictures_and_from_key_points_agree(score, pictures, folders, tmp_path):
    joints = np.full((18, 2), -1, np.int16)
    joints[[2, 5, 8, 11]] = [[8, 4], [8, 11], [20, 5], [20, 10]]
    mask = pose_mask(joints, 32, 16)
    masks = save(tmp_path / "masks", {name: mask.astype(np.uint8) * 255 for name in NAMES})
    write_keypoints(tmp_path / "joints.csv", [f"{n}.jpg" for n in NAMES], [joints] * len(NAMES))
    common = ("--generated", folders[0], "--target", folders[1], "--output", tmp_path / "out")
    done = [
        score(*common, *given, "--classifier", "none")
        for given in (("--masks", masks), ("--keypoints", tmp_path / "joints.csv"))
    ]
    assert done[0].returncode == 0, done[0].stderr
    assert done[0].stdout == done[1].stdout
    assert "mask-SSIM begins at 0." in done[0].stdout
    table = pd.read_csv(tmp_path / "out" / "scores.csv")
    body = dict.fromkeys(NAMES, mask[..., None])
    np.testing.assert_allclose(table["mask_ssim"], expected(*pictures, body), atol=1e-6)


def test_inception_score_and_fid_carry_the_stand_ins_name(score, folders):
    done = score("--generated", folders[1], "--target", folders[1])
    assert done.returncode == 0, done.stderr
    assert "IS (EfficientNet-Lite0) ↑ | FID (EfficientNet-Lite0) ↓" in done.stdout


def another_name(generated, _):
    generated["other"] = generated.pop(NAMES[0])


def one_missing(generated, _):
    del generated[NAMES[3]]


def another_size(generated, _):
    generated[NAMES[5]] = generated[NAMES[5]][:20]


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (another_name, ["no target picture", "other"]),
        (one_missing, ["no generated picture", NAMES[3]]),
        (another_size, [NAMES[5], "generated picture is 20 high, 16 wide", "32 high"]),
    ],
)
def test_what_does_not_match_is_named(score, pictures, tmp_path, damage, words):
    generated, targets = pictures
    damage(generated, targets)
    folders = save(tmp_path / "made", generated), save(tmp_path / "real", targets)
    done = score("--generated", folders[0], "--target", folders[1], "--classifier", "none")
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert all(word in done.stderr for word in words), done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_other_bad_folders_are_named(score, folders, tmp_path):
    (tmp_path / "empty").mkdir()
    cut = save(tmp_path / "cut", {"a": np.zeros((32, 16, 3), np.uint8)})
    broken = save(tmp_path / "broken", {})
    (broken / "x.png").write_bytes(b"\x89PNG")
    cases = {
        "holds no JPEG or PNG": ("--generated", tmp_path / "empty", "--target", folders[1]),
        "is not a folder": ("--generated", tmp_path / "nowhere", "--target", folders[1]),
        "16 wide, not three pictures": ("--strips", cut),
        "x.png: cannot read image": ("--generated", broken, "--target", folders[1]),
    }
    for words, arguments in cases.items():
        done = score(*arguments, "--classifier", "none")
        assert done.returncode == 1
        assert words in done.stderr


def test_few_pictures_say_what_to_do(score, pictures, tmp_path):
    few = [{n: p[n] for n in NAMES[:4]} for p in pictures]
    folders = save(tmp_path / "made", few[0]), save(tmp_path / "real", few[1])
    done = score("--generated", folders[0], "--target", folders[1])
    assert done.returncode == 1
    assert "--classifier none" in done.stderr
