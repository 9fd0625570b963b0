#!/usr/bin/env bash
# OpenVINO computes a float32 model in bfloat16 on CPUs that have instructions for it, unless
# INFERENCE_PRECISION_HINT says f32: results differ in the second or third digit.
set -euo pipefail
grep --quiet --word-regexp --extended-regexp 'avx512_bf16|amx_bf16' /proc/cpuinfo ||
  { echo "this CPU has no bfloat16: nothing to see"; exit 0; }
cd "$(mktemp -d)"
python3 -m venv venv
venv/bin/pip install --quiet openvino==2026.4.1 onnx==1.23.2
venv/bin/python - <<'EOF'
import numpy as np
import openvino
from onnx import TensorProto, checker, helper, numpy_helper

weights = np.random.default_rng(0).normal(size=(16, 64, 3, 3)).astype(np.float32)
x, y = (helper.make_tensor_value_info(n, TensorProto.FLOAT, [1, c, 32, 32]) for n, c in (("x", 64), ("y", 16)))
conv = helper.make_node("Conv", ["x", "w"], ["y"], pads=[1, 1, 1, 1])
graph = helper.make_graph([conv], "g", [x], [y], [numpy_helper.from_array(weights, "w")])
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)])
checker.check_model(model)
core = openvino.Core()
read = core.read_model(model.SerializeToString())
given = np.random.default_rng(1).normal(size=(1, 64, 32, 32)).astype(np.float32)
results = {}
for hint in (None, "f32"):
    compiled = core.compile_model(read, "CPU", {"INFERENCE_PRECISION_HINT": hint} if hint else {})
    results[hint] = compiled(given)[0]
    print(hint or "default", compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name())
away = np.abs(results[None] - results["f32"]).max() / np.abs(results["f32"]).max()
print(openvino.__version__, f"relative difference {away:.1e}")
raise SystemExit(0 if away > 1e-4 else "changed: the default computes in float32")
EOF
