"""Systems: one file each, found by name, with its networks and its objective.

SETTINGS: a literal, {"stage1": {...}} and, of a system with a stage II, "stage2": the keys that it
    has beside the common ones, with their defaults. An int is at least 1, a float at least 0; a
    tuple of texts lists the choices, the default first; a tuple of three numbers is a default with
    its minimum and maximum. It is read from the source, without importing it.
build_stage1(settings): the network of stage I, called with (I_a, K_a, K_b).
stage1_task(generator, settings): what trains it, a `vdg.training.objectives.Task`.
build_generator(stage1, settings), stage2_task(generator, settings): of a system with a stage II,
    the whole generator, called alike, with stage I frozen in it as `stage1`; and what trains it.

settings: the system's keys and the common ones (steps, batch_size, learning_rate,
lr_decay_fraction, flip), and `size` [H, W]. A size that does not fit is an InputError.
"""

import importlib

import torch
from torch import nn

from vdg.errors import InputError
from vdg.files import read_arrays, write_arrays

MAX_SIDE = 8192  # pixels of the images that a model file may claim
UNFIT = (ImportError, LookupError, RuntimeError, TypeError, ValueError, AttributeError)
UNFIT += (ArithmeticError, AssertionError)
"""What comes of settings that are not those of a system."""


def find(name: str):
    """The module of a system."""
    return importlib.import_module(f"vdg.systems.{name}")


def save(path, generator: nn.Module, meta: dict) -> None:
    """Write a generator so that the file alone is enough to build it again.

    meta: `system`, the settings of `stage1`, those of `stage2` (None for a stage I), the `size`
    [H, W] of its images, and whatever a report wants to say of the run.
    """
    state = generator.state_dict()
    write_arrays(path, {k: v.float().cpu().numpy() for k, v in state.items()}, meta)


def load(path, device: torch.device | str = "cpu") -> tuple[nn.Module, dict]:
    """Read a generator. Returns (the network in evaluation mode, its metadata).

    Raises InputError for a file that is damaged or of another architecture, and for weights that
    are not finite.
    """
    arrays, meta = read_arrays(path, "pt")
    _require_finite(path, arrays)
    try:
        _check_size(meta.get("size", [1, 1]))
        with torch.device("meta"):  # where settings that are not of these weights cost no memory
            _build(meta).load_state_dict(arrays, assign=True)
        generator = _build(meta)
        generator.load_state_dict(arrays)
    except UNFIT as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise InputError(
            f"{path} does not hold a generator of this version ({reason}): train it again"
        ) from error
    generator.eval().requires_grad_(False)
    return generator.to(device, memory_format=torch.channels_last), meta


def _build(meta: dict) -> nn.Module:
    module = find(meta["system"])
    network = module.build_stage1(_defaults(module, "stage1") | meta["stage1"])
    if not meta["stage2"]:
        return network
    return module.build_generator(network, _defaults(module, "stage2") | meta["stage2"])


def _defaults(module, stage: str) -> dict:
    """Settings that a system has gained since a model was trained have their defaults."""
    declared = module.SETTINGS[stage].items()
    return {key: value[0] if isinstance(value, tuple) else value for key, value in declared}


def _require_finite(path, arrays: dict[str, torch.Tensor]) -> None:
    for name, values in arrays.items():
        if not (values.is_floating_point() and values.float().isfinite().all()):
            raise InputError(f"{path}: the weights {name} are not finite numbers: train it again")


def _check_size(size: list[int]) -> None:
    height, width = size
    if not all(type(side) is int and 0 < side <= MAX_SIDE for side in (height, width)):
        raise ValueError(f"its images are {height!r} x {width!r}")


def check(system: str, stage1: dict, stage2: dict | None = None) -> None:
    """Build networks without their memory. Raises InputError for settings that do not fit."""
    module = find(system)
    with torch.device("meta"):
        network = module.build_stage1(stage1)
        if stage2 is not None:
            module.build_generator(network, stage2)
            if hasattr(module, "build_discriminator"):
                module.build_discriminator(stage2)
