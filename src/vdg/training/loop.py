"""The training loop of every stage of every system, independent of the networks."""

import functools
import math
import signal
import sys
import time
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from tqdm import tqdm

from vdg.errors import InputError, StoppedError
from vdg.files import write_bytes
from vdg.training import checkpoints, distributed, graphs, lifetime
from vdg.training.objectives import Task


def learning_rate_factor(step: int, steps: int, lr_decay_fraction: float) -> float:
    """Factor on the learning rates: 1, then linear decay to 0 over the final fraction of steps.

    Source: pix2pix (Isola et al., CVPR 2017).
    """
    left = (steps - step) / steps
    return min(1.0, left / lr_decay_fraction) if lr_decay_fraction else 1.0


def train(
    task: Task,
    batch_at: Callable[[int], Any],  # step -> batch, without other state
    *,
    steps: int,
    scratch: Path,  # checkpoints of exactly this configuration and these inputs
    lr_decay_fraction: float = 0.5,  # final fraction of steps with linear decay to 0
    device: torch.device | str = "cpu",
    precision: str = "fp32",  # or "bf16": autocast of the forward passes
    compiled: bool = False,  # use torch.compile, which needs a C++ compiler
    log_every: int = 20,  # steps per row of the losses
    checkpoint_every: int = 500,  # steps between checkpoints
    checkpoint_seconds: float = 60.0,  # at least, since the last one or the start
    label: str = "train",  # of the progress bar
    at_checkpoint: Callable[[], None] = lambda: None,  # called after each checkpoint
    watch: Callable[[], dict[str, float]] = dict,  # returns metrics of the result, for the rows
    watches: int = 10,  # maximum number of calls of `watch`
) -> list[dict[str, float]]:
    """Train to the last step, resuming from a checkpoint in `scratch` if there is one.

    Returns one row per `log_every` steps: `step`, the mean of each loss since the last row and,
    at most `watches` times and in the last row, the metrics of `watch`.
    Raises InputError when a loss or a weight is not finite, StoppedError after SIGINT or SIGTERM.
    """
    device = torch.device(device)
    for module in task.modules.values():
        module.train().to(device, memory_format=torch.channels_last)
        if compiled:
            module.compile()
    if compiled:  # only this call also sets the compiler's deterministic mode
        torch.use_deterministic_algorithms(
            torch.are_deterministic_algorithms_enabled(), warn_only=True
        )
    base_rates = {k: [float(g["lr"]) for g in o.param_groups] for k, o in task.optimizers.items()}
    main = distributed.rank() == 0
    with distributed.rank0_first():
        if main:
            lifetime.hold(scratch)
        start, rows, sums = checkpoints.resume(task, scratch, device)
    task.wrap(distributed.wrap)

    def advance(batch):
        with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
            return task.update(batch)

    if not compiled:
        advance = graphs.recorded(task, advance, device)
    rate = getattr(task, "rate", None) or functools.partial(
        learning_rate_factor, lr_decay_fraction=lr_decay_fraction
    )
    saved_at = time.monotonic()
    watch_every = math.ceil(steps / watches / log_every) * log_every
    # every exchange between processes stalls a GPU: there, signals are checked once per row
    ask_every = log_every if distributed.world_size() > 1 and device.type == "cuda" else 1
    with (
        _stop_signal() as stopped,
        tqdm(
            total=steps,
            initial=start,
            desc=label,
            unit="step",
            disable=None if main else True,
            mininterval=1,
        ) as bar,
    ):
        for step in range(start, steps):
            factor = rate(step, steps)
            for key, optimizer in task.optimizers.items():
                for group, base in zip(optimizer.param_groups, base_rates[key], strict=True):
                    graphs.set_learning_rate(group, base * factor)
            losses = advance(batch_at(step))
            # keep sums on the device: reading a loss at every step would stall a GPU
            sums = {k: v.float() + sums.get(k, 0.0) for k, v in losses.items()}
            done = step + 1
            if done % log_every == 0 or done == steps:
                since = (done - 1) % log_every + 1
                means = (distributed.mean(torch.stack(list(sums.values()))) / since).tolist()
                rows.append({"step": done} | dict(zip(sums, means, strict=True)))
                sums = {}
                _require_finite(rows[-1], scratch)
                bar.set_postfix({k: f"{v:.3f}" for k, v in rows[-1].items() if k != "step"})
                if main and (done % watch_every == 0 or done == steps):
                    rows[-1] |= watch()
            bar.update()
            if done % ask_every:
                continue
            stop = distributed.any_rank(bool(stopped), device)
            due = done % checkpoint_every == 0 and distributed.any_rank(
                time.monotonic() - saved_at >= checkpoint_seconds, device
            )
            if stop or due:
                _require_finite_weights(task, scratch, done)
                checkpoints.save(task, scratch, done, rows, sums, device)
                if main:
                    at_checkpoint()
                saved_at = time.monotonic()
                if stop:
                    raise StoppedError(stopped[0] if stopped else signal.SIGTERM)
    _require_finite_weights(task, scratch, steps)
    return rows


def _require_finite(row: dict[str, float], scratch: Path) -> None:
    bad = [name for name, value in row.items() if not math.isfinite(value)]
    if bad:
        raise _diverged(f"{', '.join(bad)} is not finite", row["step"], scratch)


def _require_finite_weights(task: Task, scratch: Path, step: int) -> None:
    """Raise if a weight is not finite: weights show a bad gradient earlier than losses do."""
    for name, weights in task.modules.state_dict().items():
        if weights.is_floating_point() and not weights.isfinite().all():
            raise _diverged(f"the weights {name} are not finite", step, scratch)


def _diverged(what: str, step: int, scratch: Path) -> InputError:
    last = next(iter(checkpoints.checkpoints(scratch)), None)
    return InputError(
        f"training diverged before step {step}: {what}; lower the learning rate. "
        f"Last good checkpoint: {last or 'none'}"
    )


@contextmanager
def _stop_signal():
    """Yield a list that collects SIGINT and SIGTERM, so that a step is never interrupted."""
    stopped: list[int] = []

    def note(signum, _frame):
        if stopped:  # second signal: exit at once
            raise KeyboardInterrupt
        stopped.append(signum)
        print("Saving a checkpoint; press Ctrl-C again to exit now", file=sys.stderr)

    old = {s: signal.signal(s, note) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stopped
    finally:
        for signum, handler in old.items():
            signal.signal(signum, handler)


def write_losses(path, rows: list[dict[str, float]]) -> None:
    """Write the rows of `train` as CSV; metrics are empty in rows without a call of `watch`."""
    text = pd.DataFrame(rows).to_csv(index=False, float_format="%.6g")
    write_bytes(path, text.encode())
