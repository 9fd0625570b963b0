"""ONNX files of generators: what onnxruntime computes equals what PyTorch computes."""

import copy
import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from compared import rendered_batch
from conftest import ROOT

from vdg import cli, systems
from vdg.commands import export
from vdg.errors import InputError
from vdg.inference import onnx_file
from vdg.inference.transfer import PoseTransfer

needs_packages = pytest.mark.skipif(
    bool(onnx_file.missing()), reason="needs pip install --requirement requirements-onnx.txt"
)
SIZE = [64, 32]
TRAINING = {"steps": 1, "batch_size": 4, "learning_rate": 1e-3, "lr_decay_fraction": 0.5}
SMALL = TRAINING | {"flip": True, "width": 4, "size": SIZE}
VDG = SMALL | {"max_width": 8, "depth": 2}
SYSTEMS = {
    "vdg": ("vdg", VDG, VDG),
    "warp": ("vdg", VDG, VDG | {"part_warp": True}),
    "pg2": ("pg2", SMALL, SMALL),
    "dpig": ("dpig", SMALL, None),
    "patn": ("patn", SMALL, None),
}


def make(path, system, stage1, stage2):
    """A model file with small networks, whose last layers are not those of the start."""
    module = systems.find(system)
    torch.manual_seed(0)
    meta = {"system": system, "stage1": stage1, "stage2": stage2, "size": SIZE}
    generator = systems.builder(meta)()
    assert hasattr(module, "build_stage1")
    with torch.no_grad():
        for parameter in generator.parameters():
            parameter.add_(torch.randn(parameter.shape) * 0.05)
    systems.save(path, generator, meta)
    return path


def run(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["vdg export", *map(str, arguments)])
    try:
        cli.run(export.main)
    except SystemExit as end:
        return end.code
    return 0


@needs_packages
@pytest.mark.parametrize("name", list(SYSTEMS)[1:])  # vdg is part of warp; test_static_page has it
def test_onnxruntime_computes_the_same(name, tmp_path, monkeypatch):
    import onnxruntime

    model = make(tmp_path / "model.safetensors", *SYSTEMS[name])
    target = tmp_path / "model.onnx"
    assert run(monkeypatch, "--model", model, "--format", "onnx", "--output", target) == 0
    session = onnxruntime.InferenceSession(target, providers=["CPUExecutionProvider"])
    about = json.loads(session.get_modelmeta().custom_metadata_map["vdg"])
    assert about["size"] == SIZE
    assert json.loads(Path(f"{target}.json").read_text()) == about
    assert_says_nothing_of_this_machine(target.read_bytes())
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


def assert_says_nothing_of_this_machine(data: bytes):
    """No path, no source line; what tells a node's name from a path is its first letters."""
    words = [word.decode() for word in re.findall(rb"[\x20-\x7e]{4,}", data)]
    assert any("stage1" in word for word in words)  # the names of the weights
    for word in words:
        assert not re.search(r"\.py\b|line \d|site-packages|(^|\W)/(?!node_)\w+/\w", word), word
        assert not any(str(path) in word for path in (ROOT, Path(sys.prefix), Path.home()))


def graph(values: np.ndarray):
    """An ONNX model that adds `values` to its input, of one number, twice."""
    onnx = pytest.importorskip("onnx")
    numbers = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1])
    result = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [values.size])
    nodes = [onnx.helper.make_node("Add", names, [to]) for *names, to in ("xwu", "uwy")]
    weights = [onnx.numpy_helper.from_array(values, "w")]
    made = onnx.helper.make_graph(nodes, "g", [numbers], [result], weights)
    return onnx.helper.make_model(made, opset_imports=[onnx.helper.make_opsetid("", 20)])


ROUND = np.arange(onnx_file.SMALL, dtype=np.float32) % 1024  # float16 represents all of them


@needs_packages
@pytest.mark.parametrize(
    ("values", "inexact", "halved"),
    [
        (ROUND, False, True),
        (ROUND + np.float32(1e-4), False, False),
        (ROUND + np.float32(1e-4), True, True),
        (ROUND * 100, True, False),  # above 65504: infinite
        (ROUND[1:], True, False),  # small
    ],
    ids=["exact", "inexact", "rounded", "too large", "small"],
)
def test_weights_are_stored_as_float16(values, inexact, halved):
    import onnx
    import onnxruntime

    model = graph(values)
    onnx_file._store_as_half(model.graph, inexact)
    onnx.checker.check_model(model)
    data = model.SerializeToString()
    assert (len(data) < 3 * values.size) == halved
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {"x": np.ones(1, np.float32)})
    stored = values.astype(np.float16).astype(np.float32) if halved else values
    np.testing.assert_array_equal(found, 1 + stored + stored)


@needs_packages
def test_a_file_that_computes_something_else_is_not_written(tmp_path, monkeypatch):
    """The weights of a random network use all bits of float32, and halves add up their errors."""
    path, target = make(tmp_path / "model.safetensors", *SYSTEMS["pg2"]), tmp_path / "model.onnx"
    model = PoseTransfer.load(path, "cpu")
    translated = onnx_file._translated(model.generator, model)  # once: it takes seconds
    monkeypatch.setattr(onnx_file, "_translated", lambda *_: copy.deepcopy(translated))
    monkeypatch.setattr(onnx_file, "SMALL", 64)
    with pytest.raises(InputError, match=r"differ from PyTorch's by 0.00\d, .*; leave out --half"):
        onnx_file.convert(model, half=True)
    monkeypatch.setattr(onnx_file, "HALF_TOLERANCE", 0.01)
    assert len(onnx_file.convert(model, half=True)) < len(onnx_file.convert(model)) - 10_000
    monkeypatch.setattr(onnx_file, "TOLERANCE", -1.0)
    said = run(monkeypatch, "--model", path, "--format", "onnx", "--output", target)
    assert "onnxruntime's images differ from PyTorch's by" in said
    assert not target.exists()


class Eigenvectors(torch.nn.Module):
    """As Def-GAN, which fits its body parts with them."""

    def forward(self, I_a, K_a, K_b):
        return I_a + torch.linalg.eigh(K_a.mT @ K_b)[1].sum()


@needs_packages
def test_a_system_that_onnx_has_no_operator_for(tmp_path):
    model = PoseTransfer.load(make(tmp_path / "model.safetensors", *SYSTEMS["pg2"]), "cpu")
    model.generator = Eigenvectors()
    with pytest.raises(InputError, match="pg2 cannot be written as ONNX: ONNX has no ") as refused:
        onnx_file.convert(model)
    assert "\n" not in str(refused.value)


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
        (
            ["--model", "small.safetensors", "--output", "m.safetensors"],
            "--model goes with --format onnx",
        ),
        (
            ["--model", "small.safetensors", "--format", "onnx", "--output", "m.safetensors"],
            "is a FILE.onnx",
        ),
        (
            ["--model", "nobody", "--format", "onnx", "--output", "m.onnx"],
            "'nobody' is no file and",
        ),
        (["--format", "onnx", "--output", "m.onnx"], "--dataset and --variant, or --model"),
        (
            ["--dataset", "x", "--variant", "y", "--half", "--output", "m.safetensors"],
            "--half goes",
        ),
        (["--dataset", "x", "--output", "m.safetensors"], "--dataset and --variant"),
    ],
)
def test_arguments_that_do_not_go_together(monkeypatch, capsys, arguments, words):
    assert run(monkeypatch, *arguments) == 2
    assert words in capsys.readouterr().err
