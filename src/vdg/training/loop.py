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

import torch

from vdg.errors import InputError, StoppedError
from vdg.training import checkpoints, distributed, graphs, lifetime
from vdg.training.checkpoints import Rows
from vdg.training.progress import Progress
from vdg.training.task import Task


def learning_rate_factor(step: int, steps: int, lr_decay_fraction: float) -> float:
    """Factor on the learning rates: 1, then linear decay to 0 over the final fraction of steps.

    Source: pix2pix (Isola et al., CVPR 2017).
    """
    left = (steps - step) / steps
    return min(1.0, left / lr_decay_fraction) if lr_decay_fraction else 1.0


def run_steps(
    task: Task,
    batch_at: Callable[[int], Any],  # step -> batch, without other state
    *,
    steps: int,
    scratch: Path,  # checkpoints of exactly this configuration and these inputs
    lr_decay_fraction: float = 0.5,  # final fraction of steps with linear decay to 0
    device: torch.device | str = "cpu",
    precision: str = "fp32",  # or "bf16": autocast of the forward passes
    log_every: int = 20,  # steps per row of the losses
    checkpoint_every: int = 500,  # steps between checkpoints
    checkpoint_seconds: float = 60.0,  # at least, since the last one or the start
    label: str = "train",  # of the progress
    at_row: Callable[[Rows], None] = lambda rows: None,  # called with all rows after each new one
    at_checkpoint: Callable[[], None] = lambda: None,  # called after each checkpoint
    watch: Callable[[], dict[str, float]] = dict,  # returns metrics of the result, for the rows
    watches: int = 10,  # maximum number of calls of `watch`
) -> Rows:
    """Train to the last step, resuming from a checkpoint in `scratch` if there is one.

    Returns one row per `log_every` steps: `step`, the mean of each loss since the last row and,
    at most `watches` times and in the last row, the metrics of `watch`.
    Raises InputError when a loss or a weight is not finite, StoppedError after SIGINT or SIGTERM.
    """
    # The networks on their device, as the newest checkpoint left them.
    device, main = torch.device(device), distributed.rank() == 0
    for module in task.modules.values():
        module.train().to(device, memory_format=torch.channels_last)
    base_rates = {k: [float(g["lr"]) for g in o.param_groups] for k, o in task.optimizers.items()}
    with distributed.rank0_first():
        if main:
            lifetime.hold(scratch)
        start, rows, sums = checkpoints.resume(task, scratch, device)
    if main and rows:
        at_row(rows)

    # One step: wrapped for several processes, or recorded as a CUDA graph.
    task.wrap(distributed.wrap)

    def update(batch):
        with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
            return task.update(batch)

    advance = graphs.recorded(task, update, device)
    rate = getattr(task, "rate", None) or functools.partial(
        learning_rate_factor, lr_decay_fraction=lr_decay_fraction
    )

    saved_at = time.monotonic()
    watch_every = math.ceil(steps / watches / log_every) * log_every
    # every exchange between processes stalls a GPU: there, signals are checked once per row
    ask_every = log_every if distributed.world_size() > 1 and device.type == "cuda" else 1
    with _stop_signal() as stopped, Progress(label, steps, start, main) as progress:
        for step in range(start, steps):
            # Take the step.
            _set_rates(task, base_rates, rate(step, steps))
            losses = advance(batch_at(step))
            # keep sums on the device: reading a loss at every step would stall a GPU
            sums = {k: v.float() + sums.get(k, 0.0) for k, v in losses.items()}
            done = step + 1

            # A row of losses, now and then with metrics.
            if done % log_every == 0 or done == steps:
                since = (done - 1) % log_every + 1
                means = (distributed.mean(torch.stack(list(sums.values()))) / since).tolist()
                rows.append({"step": done} | dict(zip(sums, means, strict=True)))
                sums = {}
                _require_finite(rows[-1], scratch)
                progress.note(rows[-1])
                if main and (done % watch_every == 0 or done == steps):
                    rows[-1] |= watch()
                if main:
                    at_row(rows)
            progress.update(done)

            # A checkpoint, when one is due or the training is told to stop.
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


def _set_rates(task: Task, base_rates: dict[str, list[float]], factor: float) -> None:
    for key, optimizer in task.optimizers.items():
        for group, base in zip(optimizer.param_groups, base_rates[key], strict=True):
            graphs.set_learning_rate(group, base * factor)


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
