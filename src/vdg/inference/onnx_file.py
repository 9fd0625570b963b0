"""Write a generator as an ONNX file, which runs without PyTorch: in a page, in other languages.

Needs the packages of requirements-onnx.txt.
"""

import contextlib
import importlib.util
import io
import logging
import re
import warnings
from collections.abc import Sequence

import numpy as np
import torch

from vdg.errors import InputError
from vdg.files import json_bytes
from vdg.inference.transfer import PoseTransfer, named_pose

PACKAGES = "onnx", "onnxscript", "onnxruntime"
INPUTS, OUTPUT = ("image", "source", "target"), "result"
TOLERANCE, HALF_TOLERANCE = 1e-4, 1e-3  # of the images, whose range is [-1, 1]
TRIED = 3  # images of the comparison; another batch size than that of the export
SMALL = 4096  # numbers of a tensor that is not worth a Cast


def missing() -> list[str]:
    """The packages that are not installed."""
    return [name for name in PACKAGES if importlib.util.find_spec(name) is None]


def require_packages() -> None:
    """Raise InputError if packages are missing."""
    if lacking := missing():
        raise InputError(
            f"ONNX needs {', '.join(lacking)}: pip install --requirement requirements-onnx.txt"
        )


def convert(model: PoseTransfer, half: bool = False) -> bytes:
    """The bytes of an ONNX file that computes what the generator does.

    Inputs: `image` (B, 3, H, W) in [-1, 1]; `source` and `target`, key points (B, 18, 2), (y, x) in
    pixels, -1 = missing. Output: `result` (B, 3, H, W) in [-1, 1]. All float32; B is any number.
    The file's metadata are those of the model file, as JSON under the key `vdg`. Nothing else in it
    comes from the machine that writes it.

    half: round all large weights to float16. Without it only those that float16 represents exactly
    are stored so, which changes no image.

    Raises InputError if packages are missing, and if onnxruntime's result differs from PyTorch's by
    more than TOLERANCE, with `half` HALF_TOLERANCE.
    """
    require_packages()
    from onnxscript import optimizer

    generator = model.generator.to("cpu", memory_format=torch.contiguous_format)
    with _quiet():
        proto = _translated(generator, model)
        # before the optimizer, which would multiply batch norm's factors into the weights
        _store_as_half(proto.graph, half)
        proto = optimizer.optimize(proto)
    _strip(proto)
    proto.metadata_props.add(key="vdg", value=json_bytes(model.meta).decode())
    data = proto.SerializeToString(deterministic=True)
    example = _example(model.size, TRIED)
    if half:
        _compare(data, generator, example, HALF_TOLERANCE, "leave out --half")
    else:
        remedy = "try other versions of the packages of requirements-onnx.txt"
        _compare(data, generator, example, TOLERANCE, remedy)
    return data


def _translated(generator: torch.nn.Module, model: PoseTransfer):
    """The generator as onnx.ModelProto, not optimized. Raises InputError."""
    try:
        program = torch.onnx.export(
            generator,
            _example(model.size, 2),
            dynamo=True,
            dynamic_shapes=({0: "batch"},) * len(INPUTS),
            input_names=INPUTS,
            output_names=[OUTPUT],
            custom_translation_table={
                torch.ops.prims.hypot.default: _hypot,
                torch.ops.aten.index.Tensor: _index,
                torch.ops.aten.clamp.default: _clamp,
            },
            optimize=False,
            verbose=False,
        )
    except torch.onnx.OnnxExporterError as error:
        # the exporter prints pages; what its message names first is the operator
        lacking = re.search(r"No ONNX function found for .*op='([\w.]+)'", str(error))
        reason = f"ONNX has no {lacking[1]}" if lacking else str(error).splitlines()[0][:200]
        raise InputError(
            f"a model of {model.meta.get('system')} cannot be written as ONNX: {reason}"
        ) from error
    return program.model_proto


def _store_as_half(graph, inexact: bool) -> None:
    """Store large weights as float16, each followed by a Cast to float32.

    inexact: also those that are rounded by that, unless a number would become infinite.
    """
    import onnx
    from onnx import numpy_helper

    casts = []
    for tensor in graph.initializer:
        if tensor.data_type != onnx.TensorProto.FLOAT or np.prod(tensor.dims) < SMALL:
            continue
        values, name = numpy_helper.to_array(tensor), tensor.name
        with np.errstate(over="ignore"):
            halved = values.astype(np.float16)
        if np.isfinite(halved).all() and (inexact or (halved == values).all()):
            tensor.CopyFrom(numpy_helper.from_array(halved, f"{name}.half"))
            cast = onnx.helper.make_node("Cast", [tensor.name], [name], to=onnx.TensorProto.FLOAT)
            casts.append(cast)
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)


def _strip(message) -> None:
    """Remove the exporter's notes from a message of onnx and all within it.

    Every node names the source lines that it comes from, with their paths on this machine.
    """
    for field, value in message.ListFields():
        if field.name in ("metadata_props", "doc_string", "value_info"):
            message.ClearField(field.name)
        elif field.message_type is not None:
            for part in value if isinstance(value, Sequence) else [value]:
                _strip(part)


def _index(values, indices):
    """Indexing by integers along one axis, as Gather, which more runtimes know than GatherND."""
    from onnxscript import ir
    from onnxscript import opset18 as op
    from onnxscript.function_libs.torch_lib.ops.core import aten_index

    (axis, index), *more = ((i, index) for i, index in enumerate(indices) if index is not None)
    if more or index.dtype == ir.DataType.BOOL:
        return aten_index(values, indices)
    return op.Gather(values, index, axis=axis)


def _hypot(a, b):
    """prims.hypot, which ONNX has no operator for."""
    from onnxscript import opset18 as op

    return op.Sqrt(op.Add(op.Mul(a, a), op.Mul(b, b)))


def _clamp(values, min=None, max=None):  # the names of aten's arguments
    """Counts of joints are clamped as float32, because OpenCV has no Clip of integers."""
    from onnxscript import ir
    from onnxscript import opset18 as op
    from onnxscript.function_libs.torch_lib.ops.core import aten_clamp

    if values.dtype != ir.DataType.INT64:
        return aten_clamp(values, min, max)
    bounds = (None if bound is None else op.Constant(value_float=bound) for bound in (min, max))
    clamped = op.Clip(op.Cast(values, to=ir.DataType.FLOAT), *bounds)
    return op.Cast(clamped, to=ir.DataType.INT64)


def _example(size: tuple[int, int], count: int) -> tuple[torch.Tensor, ...]:
    """Inputs of the generator: noise images and named poses."""
    images = torch.rand(count, 3, *size, generator=torch.Generator().manual_seed(0)) * 2 - 1
    names = [(f"stand@{60 * i}", f"walk@{120 * i}") for i in range(count)]
    poses = np.array([[named_pose(name, size) for name in pair] for pair in names], np.float32)
    return images, *torch.from_numpy(poses).unbind(1)


def _compare(
    data: bytes,
    generator: torch.nn.Module,
    inputs: tuple[torch.Tensor, ...],
    tolerance: float,
    remedy: str,
) -> None:
    import onnxruntime

    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    given = {name: value.numpy() for name, value in zip(INPUTS, inputs, strict=True)}
    (image,) = session.run([OUTPUT], given)
    with torch.inference_mode():
        away = float(np.abs(image - generator(*inputs).numpy()).max())
    if not away <= tolerance:
        raise InputError(
            f"onnxruntime's images differ from PyTorch's by {away:.1g}, more than {tolerance:g}: "
            f"nothing was written; {remedy}"
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
