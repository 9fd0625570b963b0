#!/usr/bin/env bash
# onnxruntime hands a model's metadata_props to Python (get_modelmeta) but not to JavaScript: neither
# onnxruntime-web nor onnxruntime-node has a way to read them. Put what a page needs into a file beside.
set -euo pipefail
cd "$(mktemp -d)"
python3 -m venv venv
venv/bin/pip install --quiet onnxruntime==1.32.0 onnx==1.23.2
venv/bin/python - <<'EOF'
import onnxruntime
from onnx import TensorProto, checker, helper, save

x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in "xy")
graph = helper.make_graph([helper.make_node("Neg", ["x"], ["y"])], "g", [x], [y])
model = helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", 20)])
helper.set_model_props(model, {"about": "mark-of-the-metadata"})
checker.check_model(model)
save(model, "model.onnx")
meta = onnxruntime.InferenceSession("model.onnx").get_modelmeta().custom_metadata_map
print("python", onnxruntime.__version__, meta)
assert meta["about"] == "mark-of-the-metadata"
EOF
# the install script of onnxruntime-node downloads libraries for GPUs, which are not needed
npm install --silent --ignore-scripts onnxruntime-web@1.30.0 onnxruntime-node@1.30.0
cat > look.cjs <<'EOF'
const { readFileSync } = require('node:fs');
const { inspect } = require('node:util');
(async () => {
  let seen = false;
  for (const name of ['onnxruntime-web', 'onnxruntime-node']) {
    const ort = require(name);
    const session = await ort.InferenceSession.create(new Uint8Array(readFileSync('model.onnx')));
    const { y } = await session.run({ x: new ort.Tensor('float32', [2], [1]) });
    const shown = inspect(session, { depth: 9, showHidden: true });
    const has = shown.includes('mark-of-the-metadata');
    console.log(name, require(`./node_modules/${name}/package.json`).version, y.data[0], has);
    seen ||= has;
  }
  console.log(seen ? 'changed: JavaScript sees the metadata' : 'as found: JavaScript sees no metadata');
  process.exit(seen ? 1 : 0);
})();
EOF
node look.cjs
