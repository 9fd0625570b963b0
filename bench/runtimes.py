"""Which runtimes load the exported ONNX file, and what they compute: the table of docs/runtimes.md.

    python -m bench.runtimes [--folder DIR]

Installs the runtimes with pip and npm into a temporary folder (3 GB), or into DIR, where a later
call finds them. Each runs one picture on one thread; times are of the CPU, relative to onnxruntime.
"""

import argparse
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

PACKAGES = (
    "onnxruntime==1.32.0",
    "onnx==1.23.2",  # for int8
    "openvino==2026.4.1",
    "opencv-python-headless==5.0.0.93",
    "ncnn==1.0.20261020",
    "pnnx==20261020",
)
NODE_PACKAGES = "onnxruntime-node@1.30.0", "onnxruntime-web@1.30.0"
NODE_SCRIPT = Path(__file__).with_name("runtimes.mjs")
INPUTS = "image", "source", "target"
TIMES = 5


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, metavar="DIR")
    parser.add_argument("--child", choices=RUNTIMES, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        print(json.dumps(measured(args.child, args.folder)))
        return
    with contextlib.ExitStack() as stack:
        folder = args.folder or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        install(folder)
        torch_time = export(folder)
        python = [str(folder / "venv/bin/python"), __file__, "--folder", str(folder), "--child"]
        node = ["node", str(NODE_SCRIPT), str(folder)]
        shutil.copy(NODE_SCRIPT, folder)  # modules are looked up beside the script
        node[1] = str(folder / NODE_SCRIPT.name)
        found = {name: child([*python, name]) for name in RUNTIMES}
        found |= {name: child([*node, name]) for name in ("onnxruntime-node", "onnxruntime-web")}
        base = found["onnxruntime"]["time"]
        print("| runtime | largest difference | time |")
        print("|---|---|---|")
        print(f"| PyTorch | 0 | {torch_time / base:.1f} |")
        for name, said in found.items():
            if "time" in said:
                cells = f"{said['away']:.1e} | {said['time'] / base:.1f}"
            else:
                cells = f"{said['error']} | –"
            print(f"| {said.get('name', name)} | {cells} |")


def install(folder: Path) -> None:
    if not (folder / "venv").is_dir():
        subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
        pip = folder / "venv/bin/pip"
        subprocess.run([pip, "install", "--quiet", *PACKAGES], check=True)
    if not (folder / "node_modules").is_dir():
        # its install script downloads libraries for GPUs
        command = ["npm", "install", "--silent", "--ignore-scripts", "--prefix", str(folder)]
        subprocess.run([*command, *NODE_PACKAGES], check=True)


def export(folder: Path) -> float:
    """Write the model, one picture's inputs and PyTorch's result. Returns PyTorch's time."""
    import torch

    from vdg.inference import onnx_file
    from vdg.inference.transfer import PHOTOGRAPHS, PoseTransfer

    model = PoseTransfer.load(PHOTOGRAPHS, "cpu")
    if not (folder / "vdg.onnx").is_file():
        (folder / "vdg.onnx").write_bytes(onnx_file.convert(model))
    given = onnx_file._example(model.size, 1)
    torch.set_num_threads(1)
    with torch.inference_mode():
        spent, result = timed(lambda: model.generator(*given))
    tensors: list[torch.Tensor] = [*given, result]
    arrays = [tensor.contiguous().numpy() for tensor in tensors]
    for name, values in zip((*INPUTS, "result"), arrays, strict=True):
        np.save(folder / f"{name}.npy", values)
        values.tofile(folder / f"{name}.bin")
    (folder / "shapes.json").write_text(
        json.dumps({name: v.shape for name, v in zip(INPUTS, given, strict=True)})
    )
    return spent


def child(command: list[str]) -> dict:
    """What a runtime's own process prints last, or the last line of its failure."""
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        command, env=environment, text=True, capture_output=True, check=False, timeout=600
    )
    lines = done.stdout.splitlines()
    if done.returncode == 0 and lines:
        return json.loads(lines[-1])
    told = [line for line in (done.stderr + done.stdout).splitlines() if "rror:" in line]
    return {"error": told[-1][:160] if told else f"ends with status {done.returncode}"}


def timed(run) -> tuple[float, Any]:
    """Seconds of the CPU that a run takes, the least of several, and its result."""
    result, spent = run(), []
    for _ in range(TIMES):
        start = time.process_time()
        run()
        spent.append(time.process_time() - start)
    return min(spent), result


# --- in a process of their own: a function that returns (name with version, function to run)


def measured(name: str, folder: Path) -> dict:
    given = {key: np.load(folder / f"{key}.npy") for key in INPUTS}
    title, run = RUNTIMES[name](folder, given)
    spent, result = timed(run)
    away = float(np.abs(np.asarray(result) - np.load(folder / "result.npy")).max())
    return {"name": title, "away": away, "time": spent}


def _onnxruntime(folder: Path, given: dict, file: str = "vdg.onnx", optimized: Path | None = None):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    if optimized:
        options.optimized_model_filepath = str(optimized)
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    session = onnxruntime.InferenceSession(folder / file, options, ["CPUExecutionProvider"])
    title = f"onnxruntime {onnxruntime.__version__}"
    return title, lambda: session.run(None, given)[0]


def _int8(folder: Path, given: dict):
    from onnxruntime.quantization import QuantType, quantize_dynamic

    _onnxruntime(folder, given, optimized=folder / "float32.onnx")  # weights without their Casts
    quantize_dynamic(folder / "float32.onnx", folder / "int8.onnx", weight_type=QuantType.QUInt8)
    title, run = _onnxruntime(folder, given, "int8.onnx")
    return f"{title}, int8 (`quantize_dynamic`)", run


def _openvino(folder: Path, given: dict, precision: str | None = None):
    import openvino

    settings = {"INFERENCE_NUM_THREADS": 1}
    settings |= {"INFERENCE_PRECISION_HINT": precision} if precision else {}
    model = openvino.Core().compile_model(folder / "vdg.onnx", "CPU", settings)
    used = model.get_property("INFERENCE_PRECISION_HINT").get_type_name()
    told = f"`INFERENCE_PRECISION_HINT: {precision}`" if precision else f"as it is ({used})"
    version = openvino.__version__.split("-")[0]
    return f"OpenVINO {version}, {told}", lambda: model(given)[0]


def _openvino_f32(folder: Path, given: dict):
    return _openvino(folder, given, "f32")


def _opencv(folder: Path, given: dict):
    import cv2

    cv2.setNumThreads(1)
    net = cv2.dnn.readNetFromONNX(str(folder / "vdg.onnx"))

    def run():
        for name, values in given.items():
            net.setInput(values, name)
        return net.forward()

    return f"OpenCV {cv2.__version__}", run


def _ncnn(folder: Path, given: dict):
    import ncnn

    shapes = ",".join(str(list(values.shape)).replace(" ", "") for values in given.values())
    command = [folder / "venv/bin/pnnx", folder / "vdg.onnx", f"inputshape={shapes}"]
    converted = subprocess.run(command, text=True, capture_output=True, check=False)
    if not (folder / "vdg.ncnn.param").is_file():
        raise SystemExit(f"error: pnnx: {(converted.stderr.splitlines() or ['nothing'])[-1]}")
    kept = {line.split()[0] for line in (folder / "vdg.ncnn.param").read_text().splitlines()[2:]}
    if foreign := sorted(name for name in kept if "." in name):  # ncnn's layers have no dots
        raise SystemExit(f"error: ncnn has no {', '.join(foreign)}")
    net = ncnn.Net()
    net.opt.num_threads = 1
    net.load_param(str(folder / "vdg.ncnn.param"))
    net.load_model(str(folder / "vdg.ncnn.bin"))

    def run():
        extractor = net.create_extractor()
        for number, values in enumerate(given.values()):
            extractor.input(f"in{number}", ncnn.Mat(values[0]))
        return np.array(extractor.extract("out0")[1])[None]

    return f"ncnn {ncnn.__version__}", run


RUNTIMES = {
    "onnxruntime": _onnxruntime,
    "int8": _int8,
    "openvino": _openvino,
    "openvino-f32": _openvino_f32,
    "opencv": _opencv,
    "ncnn": _ncnn,
}

if __name__ == "__main__":
    main()
