"""Files that are either whole or absent, and whose bytes depend on their content alone.

Arrays are stored as safetensors: no pickle, memory-mapped, byte-stable (no clock, no host).
DVC compares outputs by hash, so byte stability decides what is computed again.
"""

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
from pathlib import Path

import numpy as np
import safetensors
import safetensors.numpy

from vdg.errors import InputError


@contextlib.contextmanager
def replacing(path):
    """Yield a temporary path beside `path`; move it there when the block ends without an error.

    A crash, a full disk or Ctrl-C leaves the old file (or none), never a part of the new one.
    Raises InputError when the file system refuses.
    """
    path = Path(path)
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        os.close(handle)
        yield Path(temporary)
        os.chmod(temporary, 0o644)  # mkstemp's 0600 would keep the file from a team's shared cache
        with open(temporary, "rb") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        reason = error.strerror or error
        raise InputError(f"cannot write {path}: {reason}; nothing was changed") from error
    finally:
        if temporary is not None:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary)


@contextlib.contextmanager
def replacing_folder(folder):
    """Yield a new folder; it takes the place of `folder` when the block ends without an error.

    Bad input then leaves what an earlier run made.
    """
    folder = Path(folder)
    temporary = folder.with_name(f".{folder.name}.new")
    shutil.rmtree(temporary, ignore_errors=True)  # of a process that was killed
    try:
        with _writing(folder):
            temporary.mkdir(parents=True)
        yield temporary
        shutil.rmtree(folder, ignore_errors=True)
        with _writing(folder):
            os.replace(temporary, folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@contextlib.contextmanager
def _writing(folder):
    try:
        yield
    except OSError as error:
        raise InputError(f"cannot write {folder}: {error.strerror or error}") from error


def write_bytes(path, data: bytes) -> None:
    """Write `data` to `path`, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def write_json(path, value) -> None:
    """Write `value` as indented JSON with sorted keys."""
    write_bytes(path, (json.dumps(value, indent=2, sort_keys=True) + "\n").encode())


def read_json(path):
    """Read a JSON file that an earlier stage wrote."""
    try:
        return json.loads(Path(path).read_text())
    except FileNotFoundError as error:
        raise InputError(f"{path} is missing: run the stage that writes it (dvc repro)") from error
    except json.JSONDecodeError as error:
        raise InputError(f"{path} is not valid JSON ({error}): delete it and run again") from error


def write_arrays(path, arrays: dict[str, np.ndarray], meta: dict | None = None) -> None:
    """Write named numpy arrays and JSON-able metadata as one safetensors file."""
    arrays = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    # one metadata key, because safetensors does not fix the order of several
    text = json.dumps(meta or {}, sort_keys=True, separators=(",", ":"))
    with replacing(path) as temporary:
        try:
            safetensors.numpy.save_file(arrays, temporary, metadata={"vdg": text})
        except safetensors.SafetensorError as error:
            raise OSError(0, str(error)) from error


def read_arrays(path, framework: str = "np"):
    """Read what `write_arrays` wrote.

    framework: "np" returns numpy copies; "pt" returns torch tensors that map the file, so that
    a data set larger than memory can be indexed.

    Returns (arrays by name, metadata). Raises InputError for a missing or damaged file.
    """
    with _opened(path, framework) as file:
        return {name: file.get_tensor(name) for name in file.keys()}, _meta(file)  # noqa: SIM118


def read_meta(path) -> dict:
    """The metadata of what `write_arrays` wrote, without its arrays."""
    with _opened(path, "np") as file:
        return _meta(file)


@contextlib.contextmanager
def _opened(path, framework: str):
    if not Path(path).is_file():
        raise InputError(f"{path} is missing: run the stage that writes it (dvc repro)")
    try:
        with safetensors.safe_open(path, framework=framework) as file:
            yield file
    except (safetensors.SafetensorError, ValueError) as error:
        raise InputError(
            f"{path} is damaged ({error}): delete it and run the stage that writes it again"
        ) from error


def _meta(file) -> dict:
    return json.loads((file.metadata() or {}).get("vdg", "{}"))


def sha256(path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
