"""A training stage outside its loop."""

import shutil
import signal

import pytest
import torch

from vdg import train
from vdg.data.images import ImageSet
from vdg.errors import InputError, StoppedError


@pytest.fixture
def scratch(monkeypatch, tmp_path):
    """The scratch folder of a stage I with given settings and data."""

    def find(config, data):
        found = []

        def stop(*_, scratch, **__):
            found.append(scratch)
            raise StoppedError(signal.SIGTERM)

        monkeypatch.setattr(train, "train", stop)
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
    config = stage1_config | {"compile": True}
    run = train.Run(config, drawn_data, 0, tmp_path / "out", tmp_path / "losses.csv")
    with pytest.raises(InputError, match=r"compile = true needs a C\+\+ compiler"):
        train.train_stage1(run)
