"""A training stage outside its loop."""

import os
import shutil
import signal
import subprocess
import sys

import pytest
import torch
from conftest import ROOT

from vdg import train
from vdg.data.batches import load_pairs
from vdg.data.images import ImageSet
from vdg.errors import StoppedError


@pytest.fixture
def scratch(monkeypatch, tmp_path, any_code):
    """The scratch folder of a stage I with given settings and data."""

    def find(config, data):
        found = []

        def stop(*_, scratch, **__):
            found.append(scratch)
            raise StoppedError(signal.SIGTERM)

        monkeypatch.setattr(train, "run_steps", stop)
        with pytest.raises(StoppedError):
            train.train_stage1(train.Run(config, data, 0, tmp_path, tmp_path / "losses.csv"))
        return found[0]

    return find


def test_other_pixels_are_another_training(stage1_config, drawn_data, tmp_path, scratch):
    copy = shutil.copytree(drawn_data, tmp_path / "data")
    assert scratch(stage1_config, copy) == scratch(stage1_config, drawn_data)
    path = copy / "download" / "train.safetensors"
    pictures = ImageSet.load(path)
    ImageSet(pictures.names, pictures.identities, 255 - pictures.images).save(path)
    assert scratch(stage1_config, copy) != scratch(stage1_config, drawn_data)


def test_images_on_the_device_train_the_same_network(
    stage1_config, drawn_data, tmp_path, monkeypatch, any_code
):
    """A GPU that they do not fit reads them ahead, which a CPU can do as well."""

    def ahead(*arguments):
        loaded = load_pairs(*arguments)
        for data in loaded:
            data.read_ahead = True
        return loaded

    models = {}
    for name, on_device, load in (
        ("held", True, load_pairs),
        ("read", False, load_pairs),
        ("read ahead", "auto", ahead),
    ):
        monkeypatch.setattr(train, "load_pairs", load)
        config = stage1_config.model_copy(update={"images_on_device": on_device})
        folder = tmp_path / name
        train.train_stage1(train.Run(config, drawn_data, 0, folder, folder / "losses.csv"))
        models[name] = (folder / "model.safetensors").read_bytes()
    assert models["held"] == models["read"] == models["read ahead"]


def test_another_number_of_threads_is_another_training(stage1_config, drawn_data, scratch):
    """Also where params.yaml leaves it to the environment."""
    config = stage1_config.model_copy(update={"threads": None})
    folders = []
    for threads in (1, 2, 1):
        torch.set_num_threads(threads)
        folders.append(scratch(config, drawn_data))
    assert folders[0] == folders[2] != folders[1]


def test_auto_is_the_device_that_it_chooses(
    stage1_config, drawn_data, scratch, monkeypatch, capsys
):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    folder = scratch(stage1_config, drawn_data)
    auto = stage1_config.model_copy(update={"device": "auto"})
    assert scratch(auto, drawn_data) == folder
    assert "device: auto, which is cpu here" in capsys.readouterr().err


UPDATES = """
import hashlib, json, sys
import torch
import typed
from vdg.data.batches import Batch
from vdg.runtime import set_up
from vdg.systems.vdg.stage1 import stage1_task

settings = typed.vdg(width=16, max_width=64, depth=3, size=(64, 32))
set_up(0, True, json.loads(sys.argv[1]))
task = stage1_task(typed.build(settings), settings)
task.modules.train()
for _ in range(2):
    images, masks = (2 * torch.rand(2, 16, n, 64, 32) - 1 for n in (3, 1))
    joints = (torch.rand(2, 16, 18, 2) * torch.tensor([64, 32])).floor()
    task.update(Batch(images[0], joints[0], images[1], joints[1], (masks[0] > 0).float()))
weights = task.modules.state_dict().values()
digest = hashlib.sha256(b"".join(value.numpy().tobytes() for value in weights)).hexdigest()
print(f"{torch.get_num_threads()} threads: {digest}")
"""


def test_the_number_of_threads_is_that_of_params_whatever_the_environment_says():
    """As docs/reproducibility.md promises: null is OMP_NUM_THREADS, a number takes its place."""
    said = []
    for environment, threads in (("2", "null"), ("1", "2")):
        variables = {
            "OMP_NUM_THREADS": environment,
            "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT / 'tests'}",
        }
        command = [sys.executable, "-c", UPDATES, threads]
        said.append(subprocess.check_output(command, env=os.environ | variables, text=True))
    assert said[0] == said[1]
    assert said[0].startswith("2 threads: ")
