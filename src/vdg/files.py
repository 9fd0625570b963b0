"""Files that are either whole or absent, and whose bytes depend on their content alone.

Arrays are stored as safetensors: no pickle, memory-mapped, byte-stable (no clock, no host).
DVC compares outputs by hash, so byte stability decides what is computed again.
"""

import contextlib
import errno
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

WAITING = Path(".scratch", "tmp")
"""Where a repository's files wait until they are whole. Beside its target, what a killed process
leaves would become part of a folder that DVC hashes."""
DAMAGED = (ValueError, RecursionError, TypeError, AttributeError)
NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS}


@contextlib.contextmanager
def replacing(path):
    """Yield a temporary path; move it to `path` when the block ends without an error.

    A crash, a full disk or Ctrl-C leaves the old file (or none), never a part of the new one.
    Raises InputError when the file system refuses to write; what the block cannot read, and any
    other error of it, stays the error that it is.
    """
    path, temporary = Path(path), None
    try:
        with _writing(path):
            _make_parent(path)
            if path.is_dir():
                raise OSError(errno.EISDIR, os.strerror(errno.EISDIR))
            waiting = _waiting(path)
            handle, temporary = tempfile.mkstemp(dir=waiting.parent, prefix=f"{waiting.name}.")
            os.close(handle)
        with _writing(path, temporary):
            yield Path(temporary)
        with _writing(path):
            os.chmod(temporary, 0o644)  # mkstemp's 0600 would keep it from a team's shared cache
            _flush(temporary)
            _move(temporary, path)
    finally:
        if temporary is not None:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary)


@contextlib.contextmanager
def replacing_folder(folder):
    """Yield a new folder; it takes the place of `folder` when the block ends without an error.

    Bad input then leaves what an earlier run made. A kill between the two renames leaves that
    aside, and the next call puts it back.
    """
    folder = Path(folder)
    with _writing(folder):
        _make_parent(folder)
        waiting = _waiting(folder)
        new, old = (waiting.with_name(f"{waiting.name}.{end}") for end in ("new", "old"))
        if old.exists() and not folder.exists():
            _move(old, folder)
        _remove(new, old)  # of a process that was killed
        new.mkdir()
    try:
        yield new
        with _writing(folder):
            _swap(new, folder, old)
    finally:
        _remove(new)


def _make_parent(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise OSError(errno.ENOTDIR, os.strerror(errno.ENOTDIR)) from error


def _swap(new: Path, folder: Path, old: Path) -> None:
    """Put `new` in the place of `folder`, which waits as `old` until that is done."""
    if folder.exists():
        _move(folder, old)
    try:
        _move(new, folder)
    except OSError:
        if old.exists():
            _move(old, folder)
        raise
    _remove(old)


def _waiting(path: Path) -> Path:
    """The start of the names under which a file or folder waits, on the same disk as `path`.

    Not in WAITING: what lies outside the repository, on another disk of it, or among the
    checkpoints, which a finished run deletes with whatever is beside them.
    """
    root, folder = Path(os.environ.get("DVC_ROOT", ".")).resolve(), path.parent.resolve()
    room = root / WAITING
    beside = path.with_name(f".{path.name}")
    inside = folder.is_relative_to(root) and not folder.is_relative_to(room.parent)
    if not (inside and (root / ".dvc").is_dir()):
        return beside
    with contextlib.suppress(OSError):
        room.mkdir(parents=True, exist_ok=True)
        if os.access(room, os.W_OK) and room.stat().st_dev == folder.stat().st_dev:
            key = hashlib.sha256(os.fsencode(folder / path.name)).hexdigest()[:8]
            return room / f"{key}-{path.name}"
    return beside


def _move(source, target) -> None:
    """Move a file or folder in one step, also between two mounts of one disk."""
    try:
        os.replace(source, target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        beside = Path(target).with_name(f".{Path(target).name}.moving")
        shutil.move(source, beside)
        os.replace(beside, target)


def _remove(*folders: Path) -> None:
    for folder in folders:
        if folder.is_symlink():
            folder.unlink()
        shutil.rmtree(folder, ignore_errors=True)


def _flush(path) -> None:
    """Have a file written to the disk itself, so that a full one is noticed before a rename."""
    with open(path, "rb") as file:
        os.fsync(file.fileno())


@contextlib.contextmanager
def _writing(path, temporary: str | None = None):
    """The OSErrors of a block that writes `path`, as InputError.

    temporary: the file that is written, in a block which may read others, too; their errors pass.
    """
    try:
        yield
    except OSError as error:
        ours = temporary is None or error.errno in NO_ROOM or error.filename == temporary
        if not ours:
            raise
        reason = error.strerror or error
        raise InputError(f"cannot write {path}: {reason}; nothing was changed") from error


def write_bytes(path, data: bytes) -> None:
    """Write `data` to `path`, whole or not at all."""
    write_all({path: data})


def write_all(contents: dict[Path | str, bytes]) -> None:
    """Write several files, each whole, and none of them where one cannot be written."""
    with contextlib.ExitStack() as moves:
        for path, data in contents.items():
            temporary = moves.enter_context(replacing(path))
            with _writing(path):
                temporary.write_bytes(data)
                _flush(temporary)


def write_json(path, value) -> None:
    """Write `value` as indented JSON with sorted keys."""
    write_bytes(path, json_bytes(value))


def json_bytes(value) -> bytes:
    """What `write_json` writes."""
    return (json.dumps(value, indent=2, sort_keys=True) + "\n").encode()


def read_json(path):
    """Read a JSON file that an earlier stage wrote."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"{path} is missing: run the stage that writes it (dvc repro)") from error
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is not valid JSON ({error}): delete it and run again") from error


def write_arrays(path, arrays: dict[str, np.ndarray], meta: dict | None = None) -> None:
    """Write named numpy arrays and JSON-able metadata as one safetensors file."""
    arrays = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    # one metadata key, because safetensors does not fix the order of several
    text = json.dumps(meta or {}, sort_keys=True, separators=(",", ":"))
    with replacing(path) as temporary, _writing(path):
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
    except PermissionError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error
    # TypeError, AttributeError: a data type that the framework lacks
    except (safetensors.SafetensorError, OSError, *DAMAGED) as error:
        raise InputError(
            f"{path} is damaged ({error}): delete it and run the stage that writes it again"
        ) from error


def _meta(file) -> dict:
    meta = json.loads((file.metadata() or {}).get("vdg", "{}"))
    if not isinstance(meta, dict):
        raise ValueError("its metadata is no mapping")
    return meta


def sha256(path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
