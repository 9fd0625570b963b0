"""Training tasks: what is optimised, and how one step is taken."""

import contextlib
import inspect
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from vdg.data.batches import Batch
from vdg.settings import TrainingSettings

Wrapper = Callable[[nn.Module], nn.Module]
ADVERSARIAL_BETA = 0.5
"""Adam's beta_1 in adversarial training, as in PG2, Def-GAN and the author's later code."""


class Task:
    """Networks, optimisers and losses of one training: a system defines `update`.

    settings: of the training. beta: Adam's beta_1. networks: what is optimised, `generator` among
    them; each becomes an attribute, and has an optimiser of its name.

    A task may define `rate(step, steps)`, the factor on all learning rates at a step, in place of
    the linear decay; and set `capturable`, if `update` can be recorded as a CUDA graph: if it
    copies nothing from or to the CPU, draws no random number there, and does the same every time.
    """

    capturable = False
    generator: nn.Module

    def __init__(self, settings: TrainingSettings, beta: float = 0.9, **networks: nn.Module):
        self.settings = settings
        self.result = networks["generator"]  # what is kept: one of `modules`, or part of one
        self.modules = nn.ModuleDict(networks)  # all that has state, saved in checkpoints
        self.optimizers = {
            name: adam(network, settings.learning_rate, beta) for name, network in networks.items()
        }
        for name, network in networks.items():
            setattr(self, name, network)

    def wrap(self, wrapper: Wrapper) -> None:
        """Replace the networks that `update` calls by wrapped ones, for several processes."""
        for name in self.optimizers:
            setattr(self, name, wrapper(getattr(self, name)))

    def update(self, batch: Batch) -> dict[str, Tensor]:
        """Take one optimisation step and return its losses, detached."""
        raise NotImplementedError


class Adam(torch.optim.Adam):
    """PyTorch's, without the wrappers of its methods that import PyTorch's compiler.

    Nothing here is compiled, and the import takes nearly as long as that of torch itself.
    """

    add_param_group = inspect.unwrap(torch.optim.Adam.add_param_group)
    load_state_dict = inspect.unwrap(torch.optim.Adam.load_state_dict)
    state_dict = inspect.unwrap(torch.optim.Adam.state_dict)
    step = torch.no_grad()(inspect.unwrap(torch.optim.Adam.step))
    zero_grad = inspect.unwrap(torch.optim.Adam.zero_grad)


def adam(module: nn.Module, learning_rate: float, beta: float = 0.9) -> Adam:
    """Adam over the trainable parameters. beta: its beta_1."""
    parameters = [p for p in module.parameters() if p.requires_grad]
    return Adam(parameters, lr=learning_rate, betas=(beta, 0.999), fused=True)


@contextlib.contextmanager
def frozen(module: nn.Module) -> Iterator[nn.Module]:
    """The module, whose parameters collect no gradient inside.

    It is one of `modules`, not what `wrap` made of it, because it waits for no gradient.
    """
    trainable = [p for p in module.parameters() if p.requires_grad]
    for parameter in trainable:
        parameter.requires_grad_(False)
    yield module
    for parameter in trainable:
        parameter.requires_grad_(True)


def step(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    """Take one optimiser step on a loss."""
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()
