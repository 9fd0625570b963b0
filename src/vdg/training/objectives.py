"""Training tasks: their interface, and the tasks of VDG's two stages."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from vdg.data.batches import Batch
from vdg.training.losses import ImageLoss, adversarial_loss, discriminator_loss, l1

Wrapper = Callable[[nn.Module], nn.Module]
ADVERSARIAL_BETA = 0.5
"""Adam's beta_1 in adversarial training, as in PG2, Def-GAN and the author's later code."""


class Task(Protocol):
    """Networks, optimisers and losses of one training.

    A task may define `rate(step, steps)`, the factor on all learning rates at a step, in place of
    the linear decay; and `capturable = True`, if `update` can be recorded as a CUDA graph: if it
    copies nothing from or to the CPU, draws no random number there, and does the same every time.
    """

    result: nn.Module  # the trained network: one of `modules`, or a submodule of one
    modules: nn.ModuleDict  # all modules with state, saved in checkpoints
    optimizers: dict[str, torch.optim.Optimizer]

    def wrap(self, wrapper: Wrapper) -> None:
        """Replace the networks that `update` calls by wrapped ones."""

    def update(self, batch: Any) -> dict[str, Tensor]:
        """Take one optimisation step and return its losses, detached."""


def adam(module: nn.Module, learning_rate: float, beta: float = 0.9) -> torch.optim.Optimizer:
    """Adam over the trainable parameters. beta: its beta_1."""
    parameters = [p for p in module.parameters() if p.requires_grad]
    return torch.optim.Adam(parameters, lr=learning_rate, betas=(beta, 0.999), fused=True)


class Reconstruction:
    """Stage I: || I_b^R - I_b ||_1, unmasked, without a discriminator.

    settings: `learning_rate`.
    """

    capturable = True

    def __init__(self, generator: nn.Module, settings: dict):
        self.generator = self.result = generator
        self.modules = nn.ModuleDict({"generator": generator})
        self.optimizers = {"generator": adam(generator, settings["learning_rate"])}

    def wrap(self, wrapper: Wrapper) -> None:
        self.generator = wrapper(self.generator)

    def update(self, batch: Batch) -> dict[str, Tensor]:
        loss = l1(self.generator(batch.I_a, batch.K_a, batch.K_b), batch.I_b)
        step(self.optimizers["generator"], loss)
        return {"l1": loss.detach()}


class Refinement:
    """Stage II: L_adv + lambda L_img; one step of the discriminator per step of the generator.

    The discriminator returns a list of logits; its `weights` are those of their losses.

    The result is an exponential moving average of the generator's weights: EMA reduces GAN
    oscillation (Yazici et al., ICLR 2019).

    settings: `learning_rate`, `discriminator_learning_rate`, `lambda`, `ema_decay`.
    """

    capturable = True

    def __init__(
        self, generator: nn.Module, discriminator: nn.Module, image_loss: ImageLoss, settings: dict
    ):
        self.generator, self.discriminator = generator, discriminator
        self.image_loss, self.lambda_ = image_loss, settings["lambda"]
        self.average = MovingAverage(generator, settings["ema_decay"])
        self.result = self.average.module
        self.modules = nn.ModuleDict(
            {"generator": generator, "discriminator": discriminator, "average": self.average}
        )
        rates = settings["learning_rate"], settings["discriminator_learning_rate"]
        self.optimizers = {
            "generator": adam(generator, rates[0], ADVERSARIAL_BETA),
            "discriminator": adam(discriminator, rates[1], ADVERSARIAL_BETA),
        }

    def wrap(self, wrapper: Wrapper) -> None:
        self.generator, self.discriminator = wrapper(self.generator), wrapper(self.discriminator)

    def update(self, batch: Batch) -> dict[str, Tensor]:
        I_hat = self.generator(batch.I_a, batch.K_a, batch.K_b)

        # real and generated images in one pass, to halve the number of calls
        given = [torch.cat([x, x]) for x in (batch.I_a, batch.K_b)]
        logits = self.discriminator(*given, torch.cat([batch.I_b, I_hat.detach()]))
        weights = self.modules["discriminator"].weights
        L_D = _weighted(weights, [discriminator_loss(*both.chunk(2)) for both in logits])
        step(self.optimizers["discriminator"], L_D)

        with frozen(self.modules["discriminator"]) as D:
            logits = D(batch.I_a, batch.K_b, I_hat)
            L_adv = _weighted(weights, [adversarial_loss(fake) for fake in logits])
        with torch.autocast(I_hat.device.type, enabled=False):
            terms = self.image_loss(I_hat, batch.I_b, batch.M_b, batch.K_b)
        step(self.optimizers["generator"], L_adv + self.lambda_ * terms["image"])
        self.average.update_parameters(self.modules["generator"])

        losses = {"discriminator": L_D, "adversarial": L_adv} | terms
        return {name: loss.detach() for name, loss in losses.items()}


class MovingAverage(AveragedModel):
    """Exponential moving average of a module's weights and buffers, from the first update on."""

    def __init__(self, module: nn.Module, decay: float):
        super().__init__(module, multi_avg_fn=get_ema_multi_avg_fn(decay), use_buffers=True)
        self.started = False

    @torch.no_grad()
    def update_parameters(self, model: nn.Module) -> None:
        """As in torch, which however reads the count of updates back from the device every time."""
        if not self.started:
            super().update_parameters(model)
            self.started = True
            return
        for own, new in zip(_by_kind(self.module), _by_kind(model), strict=True):
            self.multi_avg_fn(own, new, self.n_averaged)
        self.n_averaged += 1


def _by_kind(module: nn.Module) -> list[list[Tensor]]:
    """The parameters and buffers of a module: those of floating point, then integers."""
    state = [*module.parameters(), *module.buffers()]
    kinds = [[x for x in state if x.is_floating_point() == floating] for floating in (True, False)]
    return [kind for kind in kinds if kind]


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


def _weighted(weights: list[float], losses: list[Tensor]) -> Tensor:
    return torch.stack([w * loss for w, loss in zip(weights, losses, strict=True)]).sum()


def step(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    """Take one optimiser step on a loss."""
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()
