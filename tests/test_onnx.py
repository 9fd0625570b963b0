"""ONNX files of generators: what onnxruntime computes equals what PyTorch computes."""

import json
import sys

import numpy as np
import pytest
import torch
import typed
from compared import rendered_batch

from vdg import cli, systems
from vdg.commands import export as export_model
from vdg.inference import onnx_file
from vdg.inference.transfer import PoseTransfer

needs_packages = pytest.mark.skipif(
    bool(onnx_file.missing()), reason="needs pip install --requirement requirements-onnx.txt"
)
SIZE = [64, 32]
SMALL = {"width": 4, "size": SIZE}
VDG = typed.SMALL | SMALL
SYSTEMS = {
    "vdg": ("vdg", VDG, VDG),
    "warp": ("vdg", VDG | {"part_warp": True}, VDG | {"part_warp": True}),
    "pg2": ("pg2", SMALL, SMALL),
    "dpig": ("dpig", SMALL, None),
    "patn": ("patn", SMALL, None),
}


def make(path, system, first, second):
    """A model file with small networks, whose last layers are not those of the start."""
    stages = [
        typed.settings(system, name, **own) if own else None
        for name, own in (("stage1", first), ("stage2", second))
    ]
    generator = typed.build(*stages, system)
    with torch.no_grad():
        for parameter in generator.parameters():
            parameter.add_(torch.randn(parameter.shape) * 0.05)
    systems.save(path, generator, typed.meta(*stages, system))
    return path


def run(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["export_model", *map(str, arguments)])
    try:
        cli.run(export_model.main)
    except SystemExit as end:
        return end.code
    return 0


@needs_packages
@pytest.mark.parametrize("name", SYSTEMS)
def test_onnxruntime_computes_the_same(name, tmp_path, monkeypatch):
    import onnxruntime

    model = make(tmp_path / "model.safetensors", *SYSTEMS[name])
    target = tmp_path / "model.onnx"
    assert run(monkeypatch, "--model", model, "--format", "onnx", "--output", target) == 0
    session = onnxruntime.InferenceSession(target, providers=["CPUExecutionProvider"])
    assert json.loads(session.get_modelmeta().custom_metadata_map["vdg"])["size"] == SIZE
    batch, loaded = rendered_batch(5, 64), PoseTransfer.load(model, "cpu")
    given = {"image": batch.I_a, "source": batch.K_a, "target": batch.K_b}
    for count in (1, 5):
        part = {key: value[:count] for key, value in given.items()}
        (found,) = session.run(["result"], {key: value.numpy() for key, value in part.items()})
        with torch.inference_mode():
            expected = loaded.generator(*part.values()).numpy()
        assert found.shape == (count, 3, *SIZE)
        assert np.ptp(expected) > 0.1
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4)


@needs_packages
def test_a_system_that_onnx_has_no_operator_for(tmp_path, monkeypatch):
    """Def-GAN fits its body parts with eigenvectors."""
    model = make(tmp_path / "model.safetensors", "def_gan", SMALL, None)
    target = tmp_path / "model.onnx"
    said = run(monkeypatch, "--model", model, "--format", "onnx", "--output", target)
    assert said.startswith("error: a model of def_gan cannot be written as ONNX: ONNX has no ")
    assert "\n" not in said
    assert not target.exists()


@needs_packages
def test_a_file_that_computes_something_else_is_not_written(tmp_path, monkeypatch):
    model = make(tmp_path / "model.safetensors", *SYSTEMS["vdg"])
    monkeypatch.setattr(onnx_file, "TOLERANCE", -1.0)
    target = tmp_path / "model.onnx"
    said = run(monkeypatch, "--model", model, "--format", "onnx", "--output", target)
    assert "onnxruntime's images differ from PyTorch's by" in said
    assert not target.exists()


def test_without_the_packages(tmp_path, monkeypatch):
    monkeypatch.setattr(onnx_file, "missing", lambda: ["onnxscript"])
    model = make(tmp_path / "model.safetensors", *SYSTEMS["vdg"])
    target = tmp_path / "model.onnx"
    said = run(monkeypatch, "--model", model, "--format", "onnx", "--output", target)
    assert said.startswith("error: ONNX needs onnxscript: pip install --requirement requirements-o")
    assert not target.exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--model", "m", "--output", "m.safetensors"], "--model goes with --format onnx"),
        (["--model", "m", "--format", "onnx", "--output", "m.safetensors"], "is a FILE.onnx"),
        (["--format", "onnx", "--output", "m.onnx"], "--dataset and --variant, or --model"),
        (["--dataset", "x", "--output", "m.safetensors"], "--dataset and --variant"),
    ],
)
def test_arguments_that_do_not_go_together(monkeypatch, capsys, arguments, words):
    assert run(monkeypatch, *arguments) == 2
    assert words in capsys.readouterr().err
