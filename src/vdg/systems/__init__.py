"""Systems, found by name: one file each, or a folder with stage1.py and, for a stage II, stage2.py.

Stage1Settings: the system's own settings, a `vdg.settings.TrainingSettings`.
build_stage1(settings): the network of stage I, called with (I_a, K_a, K_b).
stage1_task(generator, settings): what trains it, a `vdg.training.task.Task`.
Stage2Settings, build_generator(stage1, settings), stage2_task(generator, settings): of a system
    with a stage II, the whole generator, called alike, with stage I frozen in it as `stage1`; and
    what trains it.

A size that does not fit is an InputError.
"""

import importlib
import pkgutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from torch import nn

from vdg.errors import InputError
from vdg.files import read_arrays, write_arrays
from vdg.settings import TrainingSettings

MAX_SIDE = 8192  # pixels of the images that a model file may claim
UNFIT = (ImportError, LookupError, RuntimeError, TypeError, ValueError, AttributeError)
UNFIT += (ArithmeticError, AssertionError)
"""What comes of settings that are not those of a system."""


def known() -> list[str]:
    """The names of all systems."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def module_name(name: str, stage: str = "stage1") -> str:
    """The dotted name of the module of a system's stage, "stage1" or "stage2"."""
    return f"{__name__}.{name}.{stage}" if _is_folder(name) else f"{__name__}.{name}"


def _is_folder(name: str) -> bool:
    """Whether a system is a folder, of which more is there than what Python or git left."""
    return Path(__path__[0], name, "stage1.py").is_file()


def find(name: str, stage: str = "stage1"):
    """The module of a system's stage."""
    return importlib.import_module(module_name(name, stage))


def settings_class(name: str, stage: str) -> type[TrainingSettings] | None:
    """The class of a system's settings of a stage; None for a stage II that it does not have.

    Raises InputError for a system that declares none.
    """
    if (
        stage == "stage2"
        and _is_folder(name)
        and not Path(__path__[0], name, "stage2.py").is_file()
    ):
        return None
    declared = getattr(find(name, stage), f"{stage.capitalize()}Settings", None)
    if declared is None and stage == "stage1":
        raise InputError(f"src/vdg/systems/{name}: it declares no class Stage1Settings")
    return declared


def settings(name: str, stage: str, values: dict[str, Any]) -> TrainingSettings:
    """The settings of a system's stage, as its class. Raises ValidationError."""
    return settings_class(name, stage).model_validate(values)


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
        build = builder(meta)
        with torch.device("meta"):  # where settings that are not of these weights cost no memory
            build().load_state_dict(arrays, assign=True)
        generator = build()
        generator.load_state_dict(arrays)
    except UNFIT as error:
        raise InputError(
            f"{path} does not hold a generator of this version ({_reason(error)}): train it again"
        ) from error
    generator.eval().requires_grad_(False)
    return generator.to(device, memory_format=torch.channels_last), meta


def builder(meta: dict) -> Callable[[], nn.Module]:
    """What builds the generator of a model file with this metadata.

    Settings that a system has gained since the model was trained have their defaults. Modules are
    imported here: inside `torch.device("meta")`, the constants of what they import would be empty.
    """
    name = meta["system"]
    if name not in known():  # anything at all, in a damaged file
        raise LookupError(f"no system {name!r}")
    stage1, first = find(name), settings(name, "stage1", meta["stage1"])
    if not meta["stage2"]:
        return lambda: stage1.build_stage1(first)
    stage2, second = find(name, "stage2"), settings(name, "stage2", meta["stage2"])
    return lambda: stage2.build_generator(stage1.build_stage1(first), second)


def _reason(error: Exception) -> str:
    """One line of what went wrong, of at most 200 characters."""
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"[:200]
    return (str(error).splitlines() or [type(error).__name__])[0][:200]


def _require_finite(path, arrays: dict[str, torch.Tensor]) -> None:
    for name, values in arrays.items():
        if not (values.is_floating_point() and values.float().isfinite().all()):
            raise InputError(f"{path}: the weights {name} are not finite numbers: train it again")


def _check_size(size: list[int]) -> None:
    height, width = size
    if not all(type(side) is int and 0 < side <= MAX_SIDE for side in (height, width)):
        raise ValueError(f"its images are {height!r} x {width!r}")


def check(system: str, stage1: TrainingSettings, stage2: TrainingSettings | None = None) -> None:
    """Build networks without their memory. Raises InputError for settings that do not fit."""
    first, second = find(system), find(system, "stage2") if stage2 else None
    with torch.device("meta"):
        network = first.build_stage1(stage1)
        if second is not None:
            second.build_generator(network, stage2)
            if hasattr(second, "build_discriminator"):
                second.build_discriminator(stage2)
