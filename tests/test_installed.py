"""`pip install .`: the command and the shipped model, outside a checkout."""

import os
import subprocess
import sys
import venv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A new environment with the wheel of this project; its packages are this environment's."""
    folder = tmp_path_factory.mktemp("installed")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    flags = ["--no-deps", "--no-build-isolation"]
    done = subprocess.run(
        [*pip, "wheel", *flags, "--wheel-dir", folder, ROOT], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    venv.create(folder / "env", with_pip=False)
    python = folder / "env/bin/python"
    (wheel,) = folder.glob("vdg-*.whl")
    subprocess.run([*pip, "--python", python, "install", "--no-deps", wheel], check=True)
    (packages,) = (folder / "env/lib").glob("python*/site-packages")
    # the .pth files inside it, such as this checkout's, are not followed from here
    (packages / "others.pth").write_text(str(Path(np.__file__).parents[1]))
    return folder


def vdg(installed, *arguments):
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
    command = [installed / "env/bin/vdg", *map(str, arguments)]
    return subprocess.run(
        command, cwd=installed, env=environment, capture_output=True, text=True, check=False
    )


def test_help_lists_the_commands(installed):
    said = vdg(installed, "--help").stdout
    for name in ("generate", "score", "augment", "people", "demo", "export", "estimator"):
        assert f"\n  {name} " in said
    assert (
        vdg(installed, "scor").stderr == "error: vdg scor: no such command; did you mean score?\n"
    )
    assert vdg(installed, "generate", "--help").stdout.startswith("usage: vdg generate")


def test_it_is_the_installed_package(installed):
    code = "import vdg; print(vdg.__file__)"
    python = installed / "env/bin/python"
    said = subprocess.run([python, "-c", code], cwd=installed, capture_output=True, text=True)
    assert Path(said.stdout.strip()).is_relative_to(installed)


def test_score_and_the_shipped_model_work(installed):
    people = ("--identities", "2", "--height", "128", "--like", "rendered")
    made = vdg(installed, "people", "--output", "people", *people)
    assert made.returncode == 0, made.stderr
    pose = ("--model", "rendered", "--pose", "walk@90", "arms-up", "--output", "posed.png")
    source = ("--source", "people/3001/00.png", "--keypoints", "people.csv:3001/00.png")
    done = vdg(installed, "generate", *source, *pose)
    assert done.returncode == 0, done.stderr
    assert Image.open(installed / "posed.png").size[1] == 128
    for name in ("A", "B"):
        (installed / name).mkdir()
        for number, file in enumerate(sorted((installed / "people").glob("*/*.png"))):
            Image.open(file).save(installed / name / f"{number}.png")
    scored = vdg(installed, "score", "--generated", "A", "--target", "B", "--classifier", "none")
    assert scored.returncode == 0, scored.stderr
    assert "| scored | 1.000 |" in scored.stdout
