"""What a training stage does around its loop."""

import shutil
import signal
import sys
import types

import pytest
import torch

from vdg import train as experiment
from vdg.data.images import ImageSet
from vdg.errors import InputError, StoppedError
from vdg.systems import vdg
from vdg.training import objectives as tasks


@pytest.fixture
def scratch(monkeypatch, tmp_path):
    """The folder of checkpoints that stage I takes with some settings and data."""

    def find(config, data):
        found = []

        def stop(*_, scratch, **__):
            found.append(scratch)
            raise StoppedError(signal.SIGTERM)

        monkeypatch.setattr(experiment, "train", stop)
        with pytest.raises(StoppedError):
            experiment.train_stage1(
                config, data, 0, experiment.Outputs.of(tmp_path, tmp_path / "l")
            )
        return found[0]

    return find


def test_other_pixels_are_another_training(stage1_config, drawn_data, tmp_path, scratch):
    copy = shutil.copytree(drawn_data, tmp_path / "data")
    assert scratch(stage1_config, copy) == scratch(stage1_config, drawn_data)
    path = copy / "download" / "train.safetensors"
    pictures = ImageSet.load(path)
    ImageSet(pictures.names, pictures.identities, 255 - pictures.images).save(path)
    assert scratch(stage1_config, copy) != scratch(stage1_config, drawn_data)


def test_auto_is_the_device_that_it_chooses(
    stage1_config, drawn_data, scratch, monkeypatch, capsys
):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    folder = scratch(stage1_config, drawn_data)
    assert scratch(stage1_config | {"device": "auto"}, drawn_data) == folder
    assert "device: auto, which is cpu here" in capsys.readouterr().err


def test_compilation_without_a_compiler(stage1_config, drawn_data, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    outputs = experiment.Outputs.of(tmp_path / "out", tmp_path / "losses.csv")
    with pytest.raises(InputError, match=r"compile = true needs a C\+\+ compiler"):
        experiment.train_stage1(stage1_config | {"compile": True}, drawn_data, 0, outputs)


def test_a_system_with_a_loss_of_its_own(stage1_config, drawn_data, tmp_path, monkeypatch):
    class Reconstruction(tasks.Reconstruction):
        def update(self, batch):
            return {"squared": super().update(batch)["l1"] ** 2}

    toy = types.ModuleType("vdg.systems.toy")
    toy.build_stage1, toy.Reconstruction = vdg.build_stage1, Reconstruction
    monkeypatch.setitem(sys.modules, toy.__name__, toy)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    config = stage1_config | {"network": stage1_config["network"] | {"system": "toy"}}
    outputs = experiment.Outputs.of(tmp_path / "out", tmp_path / "losses.csv")
    experiment.train_stage1(config, drawn_data, 0, outputs)
    assert outputs.losses.read_text().startswith("step,squared,")
