"""Write a folder whose page runs a generator in the visitor's browser: no server, no upload.

The page itself is in `page/`. Beside it the folder holds the model as an ONNX file,
onnxruntime-web, rendered people, and `page.json`: all that the page's scripts need to know.
"""

import base64
import hashlib
import importlib.resources
import io
import json
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from vdg import npm
from vdg.data.fitting import Frame, letter_box
from vdg.data.synthetic.render import NAMED_POSES
from vdg.errors import InputError
from vdg.estimators.movenet_weights import weights_file
from vdg.files import replacing_folder, write_bytes
from vdg.inference import bundled, onnx_file
from vdg.inference.bundled import BONES
from vdg.inference.transfer import PHOTOGRAPHS, RENDERED, PoseTransfer, named_pose
from vdg.pose import JOINTS, TORSO

VERSION = "1.30.0"
PACKAGE = f"onnxruntime-web@{VERSION}"  # of npm, 33 MB
# of the archive, as npm lists it; npm checks what it downloads only against what the registry says
SHA512 = "q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ=="
BY_HAND = f"get the archive of npm's {PACKAGE} in another way, then add --runtime FILE.tgz"
# some web servers do not know that .mjs is JavaScript
RUNTIME = {
    "ort/ort.js": "dist/ort.wasm.bundle.min.mjs",
    "ort/ort.wasm": "dist/ort-wasm-simd-threaded.wasm",
}
NOTICES = "LICENSE", "ThirdPartyNotices.txt"  # npm's package lacks them; the Python one has them
DIRECTIONS = 24  # of a named pose, around the circle


def write(folder: Path, model: Path, half: bool = False, runtime: Path | None = None) -> int:
    """Write the page of a model file to a new or empty folder. Returns its size in bytes.

    half: as `onnx_file.convert` has it.
    runtime: the archive of PACKAGE; by default it is downloaded with npm, once.

    Raises InputError if the folder holds anything, if packages or npm are missing, if the archive
    is another, and if the model cannot be written as ONNX.
    """
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
        raise InputError(f"{folder} exists: choose another folder for the page, or delete it")
    onnx_file.require_packages()
    loaded = PoseTransfer.load(model, "cpu")
    files = runtime_files(runtime) | {"model.onnx": onnx_file.convert(loaded, half)}
    files |= _page() | _people(loaded.size)
    files["page.json"] = json.dumps(_facts(loaded, model, files)).encode()
    with replacing_folder(folder) as new:
        for name, data in files.items():
            write_bytes(new / name, data)
    return sum(map(len, files.values()))


def archive(given: Path | None = None) -> Path:
    """The archive of PACKAGE: the given one, or that of the user's cache, downloaded if need be."""
    if given:
        if (digest := _sha512(given)) != SHA512:
            raise InputError(f"{given} has sha512 {digest}, that of {PACKAGE} is {SHA512}")
        return given
    kept = cached()
    if kept.is_file() and _sha512(kept) == SHA512:
        return kept
    print(f"fetching {PACKAGE} (33 MB) with npm", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        fetched = npm.pack(PACKAGE, Path(folder), BY_HAND)
        if (digest := _sha512(fetched)) != SHA512:
            raise InputError(f"npm sent {PACKAGE} with sha512 {digest}, not {SHA512}: {BY_HAND}")
        write_bytes(kept, fetched.read_bytes())
    return kept


def cached() -> Path:
    """Where `archive` keeps what it downloaded."""
    return weights_file().with_name(f"onnxruntime-web-{VERSION}.tgz")


def _sha512(path: Path) -> str:
    """The SHA-512 of a file in base64, as npm writes it."""
    try:
        with open(path, "rb") as file:
            return base64.b64encode(hashlib.file_digest(file, "sha512").digest()).decode()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error


def runtime_files(given: Path | None = None) -> dict[str, bytes]:
    """onnxruntime-web and its licences, by their names in the page's folder."""
    members = npm.members(archive(given), RUNTIME.values(), BY_HAND)
    package = importlib.resources.files("onnxruntime")
    notices = {f"ort/{name}": (package / name).read_bytes() for name in NOTICES}
    return dict(zip(RUNTIME, members, strict=True)) | notices


def _page() -> dict[str, bytes]:
    """The page's own files by name."""
    folder = importlib.resources.files("vdg.inference") / "page"
    return {file.name: file.read_bytes() for file in folder.iterdir() if file.is_file()}


def _people(size: tuple[int, int]) -> dict[str, bytes]:
    """Rendered people in the model's frame, as PNG files by name."""
    return {
        _name(i): _png(letter_box(image, size)[0]) for i, (image, _) in enumerate(bundled.people())
    }


def _name(index: int) -> str:
    return f"people/{index + 1}.png"


def _png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def _facts(model: PoseTransfer, path: Path, files: dict[str, bytes]) -> dict:
    """The content of page.json.

    size: [H, W]; joints: their names; bones: [joint, joint, colour]; torso: the joints that a
    picture needs; card: the text about the model; people: pictures and joints; poses: by name,
    joints in DIRECTIONS directions.
    Joints are [y, x] in pixels of the model, -1 = missing.
    """
    height, width = model.size
    people = [
        {
            "picture": _name(i),
            "joints": Frame.of(*image.size[::-1], model.size).place(joints).tolist(),
        }
        for i, (image, joints) in enumerate(bundled.people())
    ]
    return {
        "size": [height, width],
        "joints": JOINTS,
        "bones": BONES,
        "torso": TORSO,
        "people": people,
        "poses": {name: _directions(name, model.size) for name in NAMED_POSES},
        "card": _card(path),
        "files": {
            key: {"file": name, "bytes": len(files[name])}
            for key, name in {"model": "model.onnx", "runtime": "ort/ort.wasm"}.items()
        },
        "about": {
            "model": f"{path.stem} ({model.meta.get('system')})",
            "size": f"{width} × {height}",
            "sees": f"{width} × {height}",
            "runtime": VERSION,
        },
    }


def _card(path: Path) -> str:
    """Which text of the page tells the licence and the limits of a model."""
    cards = {PHOTOGRAPHS: "photographs", RENDERED: "rendered"}
    known = (card for model, card in cards.items() if model.is_file() and path.samefile(model))
    return next(known, "other")


def _directions(name: str, size: tuple[int, int]) -> list:
    """A named pose in DIRECTIONS directions, the first of which faces the camera."""
    step = 360 / DIRECTIONS
    return [named_pose(f"{name}@{step * i:g}", size).tolist() for i in range(DIRECTIONS)]
