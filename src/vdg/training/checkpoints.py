"""Checkpoints of one training run: written whole, read back bit for bit, the newest two kept."""

import io
import shutil
import sys
import warnings
from pathlib import Path

import torch
from torch import Tensor

from vdg.files import write_bytes
from vdg.training import lifetime
from vdg.training.objectives import Task

Rows = list[dict[str, float]]
Sums = list[dict[str, Tensor]]
"""Of each process: its losses, summed over the steps since the last row."""


def checkpoints(scratch: Path) -> list[Path]:
    return sorted(scratch.glob("step-*.pt"), reverse=True)


def save(task: Task, scratch: Path, step: int, rows: Rows, sums: Sums) -> None:
    state = {
        "step": step,
        "rows": rows,
        "sums": sums,
        "modules": {k: m.state_dict() for k, m in task.modules.items()},
        "optimizers": {k: o.state_dict() for k, o in task.optimizers.items()},
        "rng": torch.get_rng_state(),
        "cuda_rng": torch.cuda.get_rng_state_all(),
    }
    buffer = io.BytesIO()
    torch.save(state, buffer)
    write_bytes(scratch / f"step-{step:08d}.pt", buffer.getvalue())
    for old in checkpoints(scratch)[2:]:  # two, in case the newest is damaged
        old.unlink(missing_ok=True)


def resume(task: Task, scratch: Path, device) -> tuple[int, Rows, Sums]:
    for path in checkpoints(scratch):
        try:
            state = torch.load(path, map_location=device, weights_only=True)
            step, rows, sums = state["step"], state["rows"], state["sums"]
        except Exception as error:  # torch.load has no one exception for a damaged file
            warnings.warn(f"{path} is damaged ({type(error).__name__}); set aside", stacklevel=2)
            path.rename(path.with_suffix(".damaged"))
            continue
        for key, module in task.modules.items():
            module.load_state_dict(state["modules"][key])
        for key, optimizer in task.optimizers.items():
            optimizer.load_state_dict(state["optimizers"][key])
        torch.set_rng_state(state["rng"].cpu())
        torch.cuda.set_rng_state_all([generator.cpu() for generator in state["cuda_rng"]])
        print(f"resuming {path} at step {step}", file=sys.stderr)
        return step, rows, sums
    return 0, [], []


def clean_up(scratch: Path) -> None:
    """Delete the checkpoints of a finished run."""
    shutil.rmtree(scratch, ignore_errors=True)
    lifetime.release(scratch)
