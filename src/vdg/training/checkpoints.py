"""Checkpoints of one training run: atomic writes, bit-exact resume, the newest two are kept."""

import io
import shutil
import sys
import warnings
from pathlib import Path

import torch
from torch import Tensor

from vdg.errors import InputError
from vdg.files import write_bytes
from vdg.training import distributed, lifetime
from vdg.training.task import Task

Rows = list[dict[str, float]]
Sums = dict[str, Tensor]
"""Losses of one process, summed over the steps since the last row."""


def checkpoints(scratch: Path) -> list[Path]:
    return sorted(scratch.glob("step-*.pt"), reverse=True)


def save(task: Task, scratch: Path, step: int, rows: Rows, sums: Sums, device) -> None:
    """Write a checkpoint; every process calls this, and process 0 writes the file."""
    own = {"sums": {k: v.cpu() for k, v in sums.items()}, "rng": torch.get_rng_state()}
    if torch.device(device).type == "cuda":
        own["cuda_rng"] = torch.cuda.get_rng_state(device)
    processes = distributed.gather(own)
    if distributed.rank() > 0:
        return
    state = {
        "step": step,
        "rows": rows,
        "processes": processes,
        "modules": {k: m.state_dict() for k, m in task.modules.items()},
        "optimizers": {k: o.state_dict() for k, o in task.optimizers.items()},
    }
    buffer = io.BytesIO()
    torch.save(state, buffer)
    write_bytes(scratch / f"step-{step:08d}.pt", buffer.getvalue())
    for old in checkpoints(scratch)[2:]:  # keep two, in case the newest is damaged
        old.unlink(missing_ok=True)


def resume(task: Task, scratch: Path, device) -> tuple[int, Rows, Sums]:
    """The step, rows and this process's sums of the newest checkpoint that is whole."""
    for path in checkpoints(scratch):
        data = io.BytesIO(_read(path))
        try:  # onto the CPU, because a GPU may be full
            state = torch.load(data, map_location="cpu", weights_only=True)
            step, rows, own = state["step"], state["rows"], state["processes"][distributed.rank()]
        except Exception as error:  # torch.load has no common exception for damaged files
            if isinstance(error, MemoryError) or "allocate memory" in str(error):
                raise
            warnings.warn(f"{path} is damaged ({type(error).__name__}); set aside", stacklevel=2)
            path.rename(path.with_suffix(".damaged"))
            continue
        for key, module in task.modules.items():
            module.load_state_dict(state["modules"][key])
        for key, optimizer in task.optimizers.items():
            optimizer.load_state_dict(state["optimizers"][key])
        torch.set_rng_state(own["rng"])
        if "cuda_rng" in own:
            torch.cuda.set_rng_state(own["cuda_rng"], device)
        print(f"resuming {path} at step {step}", file=sys.stderr)
        return step, rows, {k: v.to(device) for k, v in own["sums"].items()}
    return 0, [], {}


def _read(path: Path) -> bytes:
    """A file that cannot be read for the moment is not a damaged one."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}; run the command again") from error


def clean_up(scratch: Path) -> None:
    """Delete the checkpoints of a finished run."""
    shutil.rmtree(scratch, ignore_errors=True)
    lifetime.release(scratch)
