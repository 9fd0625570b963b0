"""Damaged and handmade model files."""

import os
import subprocess
import sys

import numpy as np
import pytest
import torch
import typed
from conftest import ROOT
from hypothesis import given
from hypothesis import strategies as st
from skimage.metrics import structural_similarity

from vdg import systems
from vdg.errors import InputError
from vdg.files import read_arrays, write_arrays
from vdg.systems.vdg import stage1, stage2

STAGES = typed.vdg("stage1"), typed.vdg("stage2")
META = typed.meta(*STAGES)
HUGE = {"width": 10**5, "max_width": 10**5}  # would take petabytes


@pytest.fixture
def rewrite(small_model, tmp_path):
    """Write the model with other weights or metadata: rewrite(change of the arrays, metadata)."""

    def write(change=lambda arrays, first: None, meta=META):
        arrays = {name: np.array(values) for name, values in read_arrays(small_model)[0].items()}
        change(arrays, next(name for name in arrays if name.endswith("weight")))
        write_arrays(tmp_path / "other.safetensors", arrays, meta)
        return tmp_path / "other.safetensors"

    return write


def test_a_model_is_read_as_it_was_written(rewrite):
    state = torch.get_rng_state()
    generator, meta = systems.load(rewrite())
    assert meta == META
    arrays, _ = read_arrays(rewrite())
    for name, values in generator.state_dict().items():
        np.testing.assert_array_equal(values.numpy(), arrays[name])
    # networks are drawn at random before they are filled: once, as ever, or seeds mean other runs
    after = torch.get_rng_state()
    torch.set_rng_state(state)
    stage2.build_generator(stage1.build_stage1(STAGES[0]), STAGES[1])
    assert torch.equal(torch.get_rng_state(), after)


SCORE = """
import sys
import numpy as np, torch
from vdg.inference.transfer import PoseTransfer
PoseTransfer.load(sys.argv[1], "cpu")
from vdg.metrics.ssim import ssim
x, y = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (2, 1, 3, 32, 16), np.uint8))
print(float(ssim(x, y)), "torch._dynamo" in sys.modules)
"""


def test_scores_after_a_model_was_read(small_model):
    """As in a notebook: what reading a model imports is not made on the device without memory."""
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    command = (sys.executable, "-c", SCORE, small_model)
    said = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    value, compiler = said.stdout.split()
    x, y = np.random.default_rng(0).integers(0, 256, (2, 3, 32, 16), np.uint8)
    settings = {"gaussian_weights": True, "use_sample_covariance": False, "sigma": 1.5}
    wanted = structural_similarity(x, y, channel_axis=0, data_range=255, **settings)
    assert float(value) == pytest.approx(wanted, abs=1e-7)
    assert compiler == "False"  # the import would take as long as all the others


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_weights_that_are_not_finite(rewrite, value, dtype):
    def spoil(arrays, first):
        arrays[first] = arrays[first].astype(dtype)
        arrays[first].flat[-1] = value

    with pytest.raises(InputError, match=r"other.safetensors: the weights \S+ are not finite"):
        systems.load(rewrite(spoil))


CHANGES = {
    "bytes": lambda arrays, first: arrays.update({first: arrays[first].astype(np.uint8)}),
    "booleans": lambda arrays, first: arrays.update({first: arrays[first] > 0}),
    "complex": lambda arrays, first: arrays.update({first: arrays[first].astype(np.complex64)}),
    "one missing": lambda arrays, first: arrays.pop(first),
    "one too many": lambda arrays, first: arrays.update(other=np.zeros(3, np.float32)),
    "another shape": lambda arrays, first: arrays.update({first: arrays[first][..., :1]}),
    "none at all": lambda arrays, first: arrays.clear(),
}
META_CHANGES = {
    **{f"size {size!r}": {"size": size} for size in (-1, None, "ab", {}, [32], [32, 16, 3])},
    **{
        f"size {size!r}": {"size": size}
        for size in ([-1, -1], [0, 16], [32.5, 16], ["a", "b"], [True, True], [[1], 2], [10**6] * 2)
    },
    **{
        f"system {name!r:.20}": {"system": name}
        for name in ("blocks", "", "../vdg", "..", "__init__", None, 3, ["vdg"], "os", "a" * 9999)
    },
    **{f"stage I {value!r}": {"stage1": value} for value in (None, 3, "text", [], {})},
    **{f"stage II {value!r}": {"stage2": value} for value in (3, "text", [1], {"width": 4})},
    **{
        f"{stage} with {change}": {stage: META[stage] | change}
        for stage in ("stage1", "stage2")
        for change in (
            {"width": -1},
            {"width": 0},
            {"width": "4"},
            {"width": 4.5},
            {"depth": -1},
            {"depth": "a"},
            {"depth": None},
            {"width": 8},
            HUGE,
        )
    },
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_other_weights(rewrite, change):
    with pytest.raises(InputError, match=r"other.safetensors.*train it again"):
        systems.load(rewrite(change))


@pytest.mark.parametrize("change", META_CHANGES.values(), ids=META_CHANGES)
def test_other_metadata(rewrite, change):
    with pytest.raises(InputError, match=r"other.safetensors") as refusal:
        systems.load(rewrite(meta=META | change))
    assert len(str(refusal.value)) < 600
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("meta", [{}, {"system": "vdg"}, [], "vdg", 3, None])
def test_no_metadata(rewrite, meta):
    with pytest.raises(InputError, match=r"other.safetensors"):
        systems.load(rewrite(meta=meta))


@given(data=st.data())
def test_a_damaged_head_is_an_input_error(small_model, tmp_path_factory, data):
    whole = bytearray(small_model.read_bytes())
    place = st.integers(0, 8 + int.from_bytes(whole[:8], "little"))
    for index, value in data.draw(st.lists(st.tuples(place, st.integers(0, 255)), min_size=1)):
        whole[index] = value
    path = tmp_path_factory.getbasetemp() / "damaged.safetensors"
    path.write_bytes(whole)
    try:
        generator, _ = systems.load(path)
    except InputError:
        return
    assert all(values.isfinite().all() for values in generator.state_dict().values())
