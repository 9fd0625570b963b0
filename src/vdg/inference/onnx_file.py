"""Write a generator as an ONNX file, which runs without PyTorch, in a page or on a phone.

Needs the packages of requirements-onnx.txt.
"""

import contextlib
import importlib.util
import io
import logging
import re
import warnings

import numpy as np
import torch

from vdg.errors import InputError
from vdg.files import json_bytes
from vdg.inference.transfer import PoseTransfer, named_pose

PACKAGES = "onnx", "onnxscript", "onnxruntime"
INPUTS, OUTPUT = ("image", "source", "target"), "result"
TOLERANCE = 1e-4  # of the images, whose range is [-1, 1]
TRIED = 3  # images of the comparison; another batch size than that of the export


def missing() -> list[str]:
    """The packages that are not installed."""
    return [name for name in PACKAGES if importlib.util.find_spec(name) is None]


def convert(model: PoseTransfer) -> bytes:
    """The bytes of an ONNX file that computes what the generator does.

    Inputs: `image` (B, 3, H, W) in [-1, 1]; `source` and `target`, key points (B, 18, 2), (y, x) in
    pixels, -1 = missing. Output: `result` (B, 3, H, W) in [-1, 1]. All float32; B is any number.
    The file's metadata are those of the model file, as JSON under the key `vdg`.

    Raises InputError if packages are missing, and if onnxruntime's result differs from PyTorch's by
    more than TOLERANCE.
    """
    if lacking := missing():
        raise InputError(
            f"ONNX needs {', '.join(lacking)}: pip install --requirement requirements-onnx.txt"
        )
    generator = model.generator.to("cpu", memory_format=torch.contiguous_format)
    try:
        with _quiet():
            program = torch.onnx.export(
                generator,
                _example(model.size, 2),
                dynamo=True,
                dynamic_shapes=({0: "batch"},) * len(INPUTS),
                input_names=INPUTS,
                output_names=[OUTPUT],
                custom_translation_table={torch.ops.prims.hypot.default: _hypot},
                verbose=False,
            )
    except torch.onnx.OnnxExporterError as error:
        # the exporter prints pages; what its message names first is the operator
        lacking = re.search(r"No ONNX function found for .*op='([\w.]+)'", str(error))
        reason = f"ONNX has no {lacking[1]}" if lacking else str(error).splitlines()[0][:200]
        raise InputError(
            f"a model of {model.meta.get('system')} cannot be written as ONNX: {reason}"
        ) from error
    proto = program.model_proto
    proto.metadata_props.add(key="vdg", value=json_bytes(model.meta).decode())
    data = proto.SerializeToString()
    _compare(data, generator, _example(model.size, TRIED))
    return data


def _hypot(a, b):
    """prims.hypot, which ONNX has no operator for."""
    from onnxscript import opset18 as op

    return op.Sqrt(op.Add(op.Mul(a, a), op.Mul(b, b)))


def _example(size: tuple[int, int], count: int) -> tuple[torch.Tensor, ...]:
    """Inputs of the generator: noise images and named poses."""
    images = torch.rand(count, 3, *size, generator=torch.Generator().manual_seed(0)) * 2 - 1
    names = [(f"stand@{60 * i}", f"walk@{120 * i}") for i in range(count)]
    poses = np.array([[named_pose(name, size) for name in pair] for pair in names], np.float32)
    return images, *torch.from_numpy(poses).unbind(1)


def _compare(data: bytes, generator: torch.nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
    import onnxruntime

    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    given = {name: value.numpy() for name, value in zip(INPUTS, inputs, strict=True)}
    (found,) = session.run([OUTPUT], given)
    with torch.inference_mode():
        away = float(np.abs(found - generator(*inputs).numpy()).max())
    if not away <= TOLERANCE:
        raise InputError(
            f"onnxruntime's images differ from PyTorch's by {away:.1g}, more than {TOLERANCE:g}: "
            "nothing was written; try other versions of the packages of requirements-onnx.txt"
        )


@contextlib.contextmanager
def _quiet():
    """Silence the exporter, which reports its progress and the names of its axes."""
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)
