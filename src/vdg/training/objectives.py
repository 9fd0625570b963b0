"""What the two stages optimise, for any system's networks. `result` is the network to keep."""

from collections.abc import Callable
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from vdg.data.batches import Batch
from vdg.training.losses import ImageLoss, adversarial_loss, discriminator_loss, l1

Wrapper = Callable[[nn.Module], nn.Module]
ADVERSARIAL_BETA = 0.5
"""Adam's beta_1 against an adversary, as in PG2, Def-GAN and the author's later code."""


class Task(Protocol):
    """What is trained. `update` takes one optimisation step and returns its losses, detached."""

    result: nn.Module  # of `modules`, or part of one
    modules: nn.ModuleDict
    optimizers: dict[str, torch.optim.Optimizer]

    def wrap(self, wrapper: Callable[[nn.Module], nn.Module]) -> None:
        """Put the networks that `update` calls into a wrapper."""

    def update(self, batch: Any) -> dict[str, Tensor]: ...


def adam(module: nn.Module, learning_rate: float, beta: float = 0.9) -> torch.optim.Optimizer:
    """Adam over the parameters that train. beta: its beta_1."""
    parameters = [p for p in module.parameters() if p.requires_grad]
    return torch.optim.Adam(parameters, lr=learning_rate, betas=(beta, 0.999), fused=True)


class Reconstruction:
    """Stage I: || I_b^R - I_b ||_1, unmasked, no adversary."""

    def __init__(self, generator: nn.Module, learning_rate: float):
        self.generator = self.result = generator
        self.modules = nn.ModuleDict({"generator": generator})
        self.optimizers = {"generator": adam(generator, learning_rate)}

    def wrap(self, wrapper: Wrapper) -> None:
        self.generator = wrapper(self.generator)

    def update(self, batch: Batch) -> dict[str, Tensor]:
        loss = l1(self.generator(batch.I_a, batch.P_a, batch.P_b), batch.I_b)
        _step(self.optimizers["generator"], loss)
        return {"l1": loss.detach()}


class Refinement:
    """Stage II: L_adv + lambda L_img; one step of the discriminator per step of the generator.

    The result is an exponential moving average of the generator's weights with decay `averaging`
    (Yazici et al., ICLR 2019): an adversary moves the generator in circles, whose centre has fewer
    artefacts than any point of them.
    """

    def __init__(
        self,
        generator: nn.Module,
        discriminator: nn.Module,
        image_loss: ImageLoss,
        *,
        lambda_: float,
        learning_rate: float,
        discriminator_learning_rate: float,
        averaging: float,
    ):
        self.generator, self.discriminator = generator, discriminator
        self.image_loss, self.lambda_ = image_loss, lambda_
        self.average = AveragedModel(
            generator, multi_avg_fn=get_ema_multi_avg_fn(averaging), use_buffers=True
        )
        self.result = self.average.module
        self.modules = nn.ModuleDict(
            {"generator": generator, "discriminator": discriminator, "average": self.average}
        )
        self.optimizers = {
            "generator": adam(generator, learning_rate, ADVERSARIAL_BETA),
            "discriminator": adam(discriminator, discriminator_learning_rate, ADVERSARIAL_BETA),
        }

    def wrap(self, wrapper: Wrapper) -> None:
        self.generator, self.discriminator = wrapper(self.generator), wrapper(self.discriminator)

    def update(self, batch: Batch) -> dict[str, Tensor]:
        I_hat = self.generator(batch.I_a, batch.P_a, batch.P_b)

        # real and generated pictures in one pass: the same sum, half the calls
        given = [torch.cat([x, x]) for x in (batch.I_a, batch.P_b)]
        judged = self.discriminator(*given, torch.cat([batch.I_b, I_hat.detach()]))
        L_D = discriminator_loss(*judged.chunk(2))
        _step(self.optimizers["discriminator"], L_D)

        D = self.modules["discriminator"]  # itself: no gradient of it is needed
        D.requires_grad_(False)
        L_adv = adversarial_loss(D(batch.I_a, batch.P_b, I_hat))
        D.requires_grad_(True)
        with torch.autocast(I_hat.device.type, enabled=False):
            terms = self.image_loss(I_hat, batch.I_b, batch.M_b)
        _step(self.optimizers["generator"], L_adv + self.lambda_ * terms["image"])
        self.average.update_parameters(self.modules["generator"])

        losses = {"discriminator": L_D, "adversarial": L_adv} | terms
        return {name: loss.detach() for name, loss in losses.items()}


def _step(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()
