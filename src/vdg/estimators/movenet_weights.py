"""The weights of MoveNet Thunder: their location, and their conversion from TensorFlow.js.

Google's TensorFlow graph (Apache license 2.0) is distributed as a TensorFlow.js model of two files:
a .bin with all arrays concatenated, in half precision, and a .json with their names and shapes.
"""

import functools
import json
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from vdg.errors import InputError
from vdg.estimators.movenet import BLOCKS, MoveNet
from vdg.files import read_arrays, sha256, write_arrays

SHA256 = "a2925747fccaf737c0f20eacdeff919efd5d514e90242397002a0de349dff18c"  # of the .bin
# name suffixes of a layer's kernel and bias; FOLDED: with batch-norm folded in
PLAIN = "Conv2D/ReadVariableOp", "BiasAdd/ReadVariableOp"
FOLDED = "Conv2D_weights", "Conv2D_bn_offset"
DEPTHWISE = "depthwise_weights", "depthwise_bn_offset"
FEATURES = "center_net_mobile_net_v2fpn_feature_extractor/model_1/"
HEADS = {"center": ("center_0/", 3), "heatmap": ("kpt_heatmap_0/", 4)}
HEADS |= {"regress": ("kpt_regress_0/", 5), "offset": ("kpt_offset_0/", 6)}


def weights_file() -> Path:
    """Path in the user's cache to which `make estimator` writes the weights."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache, "vdg", "movenet-thunder.safetensors")


@functools.cache
def load(device="cpu") -> MoveNet:
    """The network with its weights. Raises InputError if the file is missing or damaged."""
    file, network = weights_file(), MoveNet()
    if not file.is_file():
        raise InputError(f"{file} does not exist: run make estimator")
    try:
        network.load_state_dict(read_arrays(file, "pt")[0])
    except (InputError, RuntimeError) as error:
        raise InputError(f"{file} is damaged: delete it and run make estimator") from error
    # channels last is three times as fast as channels first on a CPU
    network = network.to(device, memory_format=torch.channels_last)
    return network.eval().requires_grad_(False)


def convert(weights: Path, topology: Path, target: Path) -> None:
    """Convert the .bin and the .json of the TensorFlow.js model to one safetensors file.

    Raises InputError for unreadable files, and for files other than the expected ones.
    """
    try:
        found, model = sha256(weights), json.loads(topology.read_text())
    except OSError as error:
        raise InputError(f"cannot read {error.filename}: {error.strerror}") from error
    except ValueError as error:
        raise InputError(f"{topology} is not valid JSON: get it again") from error
    if found != SHA256:
        raise InputError(f"{weights} has sha256 {found}, expected {SHA256}: get it again")
    try:
        arrays = read_graph(weights.read_bytes(), model["weightsManifest"][0]["weights"])
        state = {ours: _arranged(ours, arrays[theirs]) for ours, theirs in names()}
        MoveNet().load_state_dict({name: torch.tensor(value) for name, value in state.items()})
        meta = {"source": model["generatedBy"], "license": "Apache-2.0"}
    except (KeyError, IndexError, TypeError, ValueError, RuntimeError) as error:
        raise InputError(f"{topology} does not describe {weights}: get both again") from error
    write_arrays(target, state, meta)


def read_graph(data: bytes, manifest: list[dict]) -> dict[str, np.ndarray]:
    """The arrays of a .bin by name, in the order of the .json's manifest."""
    arrays, start = {}, 0
    for entry in manifest:
        kind = np.dtype(entry.get("quantization", entry)["dtype"])
        count = int(np.prod(entry["shape"]))
        arrays[entry["name"]] = np.frombuffer(data, kind, count, start).reshape(entry["shape"])
        start += count * kind.itemsize
    return arrays


def names() -> Iterator[tuple[str, str]]:
    """Yield (name in `MoveNet`, name in the graph) of each parameter."""
    for ours, theirs, ends in _layers():
        for kind, end in zip(("weight", "bias"), ends, strict=False):
            yield f"{ours}.{kind}", f"StatefulPartitionedCall/{theirs}{end}"


def _layers() -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """Yield (name in `MoveNet`, prefix in the graph, suffixes in the graph) of each convolution."""
    yield "stem", f"{FEATURES}model/Conv1/", FOLDED
    for index in range(len(BLOCKS)):
        block = f"{FEATURES}model/" + (f"block_{index}" if index else "expanded_conv")
        if index:
            yield f"blocks.{index}.expand", f"{block}_expand/", FOLDED
        yield f"blocks.{index}.depthwise", f"{block}_depthwise/", DEPTHWISE
        yield f"blocks.{index}.project", f"{block}_project/", FOLDED
    yield "last", f"{FEATURES}model/Conv_1/", FOLDED
    for index, number in enumerate(("", "_1", "_2", "_3")):
        yield f"laterals.{index}", f"{FEATURES}conv2d{number}/", PLAIN
    for index, number in enumerate(("", "_1", "_2")):
        merge = f"{FEATURES}separable_conv2d{number}/separable_conv2d"
        yield f"merges.{index}.depthwise", merge, ("/ReadVariableOp",)
        yield f"merges.{index}.pointwise", merge, ("_weights", "_bn_offset")
    for ours, (head, number) in HEADS.items():
        pair = f"{head}separable_conv2d_{number}/"
        kernels = "separable_conv2d/ReadVariableOp"
        yield f"heads.{ours}.0.depthwise", pair, (kernels,)
        yield f"heads.{ours}.0.pointwise", pair, (f"{kernels}_1", PLAIN[1])
        yield f"heads.{ours}.1", f"{head}conv2d_{number + 1}/", PLAIN


def _arranged(name: str, array: np.ndarray) -> np.ndarray:
    """Transpose a kernel (H, W, inputs, outputs) to PyTorch's order; a bias is unchanged.

    A depthwise kernel has one output per input.
    """
    if array.ndim == 1:
        return array
    return array.transpose((2, 3, 0, 1) if "depthwise" in name else (3, 2, 0, 1))
