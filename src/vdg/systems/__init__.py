"""Systems: one module each, found by name, with three functions that build its networks.

`build_stage1(shape)` makes the network of stage I, called with (I_a, P_a, P_b);
`build_generator(stage1, shape)` the whole generator, called alike, with stage I frozen in it;
`build_discriminator(shape)` the adversary, called with (I_a, P_b, image).
A system that optimises something else brings a `Reconstruction` or a `Refinement` of its own, which
then takes the place of that of `vdg.training.objectives` and is called like it.
"""

import importlib

import torch
from torch import nn

from vdg.errors import InputError
from vdg.files import read_arrays, write_arrays


def system(name: str):
    """The module of a system."""
    return importlib.import_module(f"vdg.systems.{name}")


def save(path, generator: nn.Module, meta: dict) -> None:
    """Write a generator so that the file alone is enough to build it again.

    meta: `system`, the shape of `stage1`, that of `stage2` (None for a network of stage I alone),
    the `size` (H, W) of its pictures, and whatever a report wants to say of the run.
    """
    state = generator.state_dict()
    write_arrays(path, {k: v.float().cpu().numpy() for k, v in state.items()}, meta)


def load(path, device: torch.device | str = "cpu") -> tuple[nn.Module, dict]:
    """Read a generator. Returns (the network in evaluation mode, its metadata).

    Raises InputError for a file that is damaged or of another architecture.
    """
    arrays, meta = read_arrays(path, "pt")
    try:
        module = system(meta["system"])
        generator = module.build_stage1(meta["stage1"])
        if meta["stage2"]:
            generator = module.build_generator(generator, meta["stage2"])
        generator.load_state_dict(arrays)
    except (ImportError, KeyError, RuntimeError, TypeError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(
            f"{path} does not hold a generator of this version ({reason}): train it again"
        ) from error
    generator.eval().requires_grad_(False)
    return generator.to(device, memory_format=torch.channels_last), meta
