"""Runtime of the networks: device, determinism, provenance, scratch folders."""

import hashlib
import json
import os
import random
import sys
from pathlib import Path

import numpy as np
import torch

from vdg.errors import InputError
from vdg.files import sha256


def select_device(name: str) -> torch.device:
    """The device of this name; `auto` is CUDA if available, else the CPU.

    Raises InputError for an unavailable device; there is no silent fallback.
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


def set_up(seed: int, deterministic: bool = True, threads: int | None = None) -> None:
    """Seed all random generators: equal seed and threads give equal bytes on one machine.

    deterministic: False allows faster GPU algorithms, whose summation order varies.
    threads: number of CPU threads, which also changes the summation order; None: torch's default.
    """
    if threads is not None:
        torch.set_num_threads(threads)
    # the tails of heat maps are denormal numbers, which slow CPU training by a fifth
    torch.set_flush_denormal(True)
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)
    # use_deterministic_algorithms does the same but imports the compiler: 2 s in every process
    torch.set_deterministic_debug_mode("warn" if deterministic else "default")
    torch.utils.deterministic.fill_uninitialized_memory = False  # a slow debugging aid
    torch.backends.cudnn.benchmark = not deterministic
    torch.backends.cudnn.allow_tf32 = False  # fp32 is what the report says, not TF32


def provenance(device: torch.device, config, processes: int = 1) -> dict[str, str]:
    """Device, mode and versions of a run, without time, path or host name: bytes stay stable.

    Without Python's version, too, on which no number depends: a model would have other bytes on
    every Python, and what stands on it would be trained again.

    config: of a run, with `deterministic`, and for a training `precision`.
    """
    if device.type == "cuda":
        name = torch.cuda.get_device_name(device)
    else:
        name = f"{device.type}, {torch.get_num_threads()} threads"
    mode = getattr(config, "precision", "fp32")
    mode += ", deterministic" if config.deterministic else ", not deterministic"
    mode += f", {processes} processes" if processes > 1 else ""
    return {"device": name, "mode": mode, "versions": f"torch {torch.__version__}"}


def scratch_folder(run: dict, inputs: list[Path]) -> Path:
    """Folder of the checkpoints of one unfinished training run.

    run: its settings and the hashes of its code. The name is a hash of these, of the input files
    and of torch's version, so that a run never resumes another run's checkpoint. The folder is not
    a DVC output, because a persisted output would carry the weights of old settings into a new run.
    It lies in the repository itself, even if DVC runs the stage in a temporary copy.
    """
    # file names, not paths: a queued run in a temporary copy must get the same folder
    files = sorted((path.name, sha256(path)) for path in inputs)
    threads = torch.get_num_threads() if run["device"] == "cpu" else None
    text = json.dumps([run, threads, files, torch.__version__], sort_keys=True)
    root = Path(os.environ.get("DVC_ROOT", "."))
    return root / ".scratch" / hashlib.sha256(text.encode()).hexdigest()[:24]
