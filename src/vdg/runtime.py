"""Where and how networks run: device, precision, determinism, scratch space."""

import hashlib
import json
import os
import random
import shutil
import sys
from pathlib import Path

import numpy as np
import torch

from vdg.errors import InputError
from vdg.files import sha256


def select_device(name: str) -> torch.device:
    """The device of a parameter or an argument; `auto` is CUDA if there is one, else the CPU.

    Raises InputError for a device that this machine lacks: no silent fall-back to another.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
        print(f"device: auto, which is {name} here", file=sys.stderr)
    kind, _, index = name.partition(":")
    here = {
        "cpu": 1,
        "cuda": torch.cuda.device_count(),
        "mps": int(torch.backends.mps.is_available()),
    }
    if int(index or 0) >= here[kind]:
        raise InputError(f"device {name!r} is not on this machine: use auto or cpu")
    return torch.device(name)


def require_compiler() -> None:
    """Raise InputError where torch.compile would find no C++ compiler, before it is asked for."""
    compiler = os.environ.get("CXX", "clang++" if sys.platform == "darwin" else "g++")
    if not shutil.which(compiler):
        raise InputError(
            f"compile = true needs a C++ compiler, and there is no {compiler}: install one, name "
            "it in the environment variable CXX, or set compile: false"
        )


def set_up(seed: int, deterministic: bool = True, threads: int | None = None) -> None:
    """Fix every source of chance: the same seed and threads give the same bytes on one machine.

    deterministic: False lets a GPU choose faster algorithms, whose sums come in no fixed order.
    threads: of a CPU, whose number decides the order of sums too; None for torch's own choice.
    """
    if threads is not None:
        torch.set_num_threads(threads)
    # the tails of heat maps are denormal numbers, on which a CPU trains a fifth slower
    torch.set_flush_denormal(True)
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)
    # as use_deterministic_algorithms, which imports the compiler: two seconds in every process
    torch.set_deterministic_debug_mode("warn" if deterministic else "default")
    torch.utils.deterministic.fill_uninitialized_memory = False  # a debugging aid that costs time
    torch.backends.cudnn.benchmark = not deterministic


def provenance(device: torch.device, config: dict, processes: int = 1) -> dict[str, str]:
    """What a report says of the machine; no clock, path or host name, so that bytes stay stable.

    config: a run's, with `precision` and `deterministic`, and `compile` if it is a training.
    """
    if device.type == "cuda":
        name = torch.cuda.get_device_name(device)
    else:
        name = f"{device.type}, {torch.get_num_threads()} threads"
    versions = f"torch {torch.__version__}, Python {sys.version.split()[0]}"
    mode = config["precision"]
    mode += ", deterministic" if config["deterministic"] else ", not deterministic"
    mode += ", compiled" if config.get("compile") else ""
    mode += f", {processes} processes" if processes > 1 else ""
    return {"device": name, "mode": mode, "versions": versions}


def scratch_folder(settings: dict, inputs: list[Path]) -> Path:
    """Where the checkpoints of one training run live until it is finished.

    The name is a hash of everything the run depends on: its settings, which hold the hashes of its
    code, and its input files. A checkpoint of anything else is therefore never resumed. It lies
    outside DVC's outputs (a persisted output would carry an old parameter's weights into a new
    run), in the repository itself even when DVC runs the stage in a temporary copy of it.
    """
    # names with contents, not paths: the temporary copy of a queued run must find the same folder
    files = sorted((path.name, sha256(path)) for path in inputs)
    threads = torch.get_num_threads() if settings["device"] == "cpu" else None
    text = json.dumps([settings, threads, files, torch.__version__], sort_keys=True)
    root = Path(os.environ.get("DVC_ROOT", "."))
    return root / ".scratch" / hashlib.sha256(text.encode()).hexdigest()[:24]
