"""Unusual environments: another locale, an interrupted start, a stale virtual environment."""

import os
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest
from conftest import ROOT
from PIL import Image

from vdg.files import read_json, write_json
from vdg.keypoints.annotations import read_keypoints, write_keypoints

ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


def stage(*arguments, **variables):
    return subprocess.run(
        [sys.executable, "-m", *map(str, arguments)],
        cwd=ROOT,
        env=os.environ | variables,
        capture_output=True,
        # a shell starts background jobs with Ctrl-C ignored
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def test_the_locale_of_these_tests_is_not_utf8():
    code = "import locale, sys; print(locale.getpreferredencoding(False), sys.stdout.encoding)"
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | ASCII, capture_output=True, text=True
    )
    assert "UTF-8" not in done.stdout.upper()


@pytest.fixture
def folders(tmp_path):
    random = np.random.default_rng(0)
    for folder in ("erzeugt-ä", "ziel-目"):
        (tmp_path / folder).mkdir()
        for name in "ab":
            pixels = random.integers(0, 256, (32, 16, 3)).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / folder / f"{name}-é.png")
    return [tmp_path / "erzeugt-ä", tmp_path / "ziel-目"]


def test_a_table_is_printed_in_utf8(folders, tmp_path):
    given = ("--generated", folders[0], "--target", folders[1], "--classifier", "none")
    done = stage("vdg", "score", *given, "--output", tmp_path / "out", **ASCII)
    assert done.returncode == 0, done.stderr
    assert "SSIM ↑" in done.stdout.decode("utf-8")
    text = (tmp_path / "out" / "scores.csv").read_bytes().decode("utf-8")
    assert [line.split(",")[0] for line in text.splitlines()] == ["name", "a-é", "b-é"]


def test_an_error_names_a_file_in_utf8(tmp_path):
    path = tmp_path / "größe-目"
    done = stage(
        "vdg", "score", "--strips", path, "--classifier", "none", PYTHONIOENCODING="latin-1"
    )
    assert done.returncode == 1
    lines = done.stderr.decode("utf-8").splitlines()
    assert lines[-1].startswith("error: ")
    assert lines[-1].encode("ascii", "backslashreplace").count(b"gr") == 1
    assert "Traceback" not in done.stderr.decode("utf-8")


READ = """
import sys
sys.path.insert(0, "src")
from vdg.files import read_json, write_json
from vdg.keypoints.annotations import read_keypoints, write_keypoints
write_json(sys.argv[2], read_json(sys.argv[1]))
poses = read_keypoints(sys.argv[3])
write_keypoints(sys.argv[4], poses, poses.values())
"""


def test_files_are_utf8_whatever_the_locale(tmp_path):
    value = {"about": "α = 0.85, Größe, 目"}
    write_json(tmp_path / "a.json", value)
    (tmp_path / "b.json").write_text('{"about": "α = 0.85, Größe, 目"}', encoding="utf-8")
    write_keypoints(tmp_path / "a.csv", ["é.png"], [np.full((18, 2), 3)])
    for json in ("a.json", "b.json"):
        paths = [tmp_path / name for name in (json, "c.json", "a.csv", "c.csv")]
        done = subprocess.run(
            [sys.executable, "-c", READ, *paths], cwd=ROOT, env=os.environ | ASCII
        )
        assert done.returncode == 0
        assert read_json(tmp_path / "c.json") == value
        assert list(read_keypoints(tmp_path / "c.csv")) == ["é.png"]


@pytest.mark.parametrize("name", ["stages.evaluate", "stages.train_stage1", "vdg generate"])
def test_ctrl_c_while_torch_is_imported(tmp_path, name):
    # in the place of torch, a module in which Ctrl-C is pressed
    (tmp_path / "torch.py").write_text(
        "import os, signal, time\nos.kill(os.getpid(), signal.SIGINT)\ntime.sleep(5)\n"
    )
    paths = os.pathsep.join([str(tmp_path), str(ROOT / "src")])
    done = stage(*name.split(), "--help", PYTHONPATH=paths)
    assert done.returncode == 130
    assert done.stderr.decode() == "interrupted\n"
    assert done.stdout == b""


@pytest.mark.skipif(not shutil.which("make"), reason="needs make")
@pytest.mark.parametrize(
    "script", ["#!/nowhere/.venv/bin/python\n", "#!/bin/sh\nexit 1\n", None], ids=str
)
def test_a_stale_environment(tmp_path, script):
    """As after a move of the folder, or an update of the Python it was made with."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    for name in ("requirements.lock", "pyproject.toml"):
        (tmp_path / name).write_text("")
    bin = tmp_path / ".venv" / "bin"
    bin.mkdir(parents=True)
    (tmp_path / ".venv" / "installed").write_text("")  # newer than the requirements
    if script:
        (bin / "dvc").write_text(script)
        (bin / "dvc").chmod(0o755)
    for target in ("setup", "repro", "test"):
        done = subprocess.run(["make", target], cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode
        assert "error: .venv does not work here" in done.stderr
        assert "rm -rf .venv, then make again" in done.stderr
