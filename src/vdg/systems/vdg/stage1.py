"""Stage I of VDG: the late-fusion generator and its objective. Symbols: vdg.systems.vdg."""

import torch
from torch import Tensor, nn

from vdg.blocks import Decoder, Encoder, Residual, level_widths
from vdg.data.batches import Batch
from vdg.errors import InputError
from vdg.heat_maps import heat_maps
from vdg.pose import JOINTS
from vdg.settings import Count, TrainingSettings
from vdg.systems.vdg.part_warp import part_warp
from vdg.training import distributed
from vdg.training.losses import l1
from vdg.training.task import Task, step

P = len(JOINTS)
LEFT_OUT = 0.1
"""Share of the training pairs whose part warp is left out of stage I."""


class Stage1Settings(TrainingSettings):
    width: Count = 16  # channels at half resolution, doubled per level ...
    max_width: Count = 128  # ... up to this
    depth: Count = 3  # downsampling levels after the first
    shared_encoders: bool = False  # one set of encoder weights for both views
    part_warp: bool = False  # beyond the paper: it also sees the source, moved part by part


class Stage1(nn.Module):
    """Late-fusion generator: (I_a, K_a, K_b) -> coarse prediction I_b^R.

    Two encoders that never see each other's input, the source view (I_a + P_a) and the target view
    (P_b); their last features are concatenated and fused by one convolution; the decoder takes
    skip connections from both.

    shared_encoders: one set of encoder weights for both views, the second reading of VDG_w. The
    target view then enters with a black image, so that both have the same channels.

    part_warp: beyond the paper, the target view is (P_b + W), W the part warp of the source with
    its coverage. In training W is left out (0) at random, because it is for poses without shoulders
    or hips: a generator that had always seen W would lose the person there.
    """

    def __init__(
        self,
        width: int,
        depth: int,
        max_width: int,
        shared_encoders: bool = False,
        part_warp: bool = False,
    ):
        super().__init__()
        widths = level_widths(width, depth, max_width)
        self.shared_encoders, self.part_warp = shared_encoders, part_warp
        self.source_encoder = Encoder(3 + P, widths)
        if not shared_encoders:
            self.target_encoder = Encoder(P + 4 * part_warp, widths)
        self.fusion = nn.Conv2d(2 * widths[-1], widths[-1], 3, padding=1)
        self.bottleneck = nn.Sequential(Residual(widths[-1]), Residual(widths[-1]))
        self.decoder = Decoder(widths, [2 * w for w in widths[:-1]], 3)

    def forward(self, I_a: Tensor, K_a: Tensor, K_b: Tensor) -> Tensor:
        P_a, P_b = (heat_maps(K, *I_a.shape[2:]) for K in (K_a, K_b))
        W = part_warp(I_a, K_a, K_b) if self.part_warp else I_a[:, :0]  # without channels
        if self.part_warp and self.training:
            # drawn for the whole batch, of which each process has a shard; on the CPU, or on CUDA,
            # where the step is recorded: checkpoints hold the random state of both
            where = W.device if W.is_cuda else "cpu"
            chance = torch.rand(len(W) * distributed.world_size(), 1, 1, 1, device=where)
            W = W * (distributed.shard(chance) >= LEFT_OUT).to(W.device)
        source = self.source_encoder(torch.cat([I_a, P_a], 1))
        if self.shared_encoders:
            target = self.source_encoder(torch.cat([torch.zeros_like(I_a), P_b], 1))
        else:
            target = self.target_encoder(torch.cat([P_b, W], 1))
        both = [torch.cat(views, 1) for views in zip(source, target, strict=True)]
        x = self.bottleneck(self.fusion(both[-1]))
        return torch.tanh(self.decoder(x, both[:-1]).float())


class Reconstruction(Task):
    """Stage I: || I_b^R - I_b ||_1, unmasked, without a discriminator."""

    capturable = True

    def __init__(self, generator: nn.Module, settings: Stage1Settings):
        super().__init__(settings, generator=generator)

    def update(self, batch: Batch) -> dict[str, Tensor]:
        loss = l1(self.generator(batch.I_a, batch.K_a, batch.K_b), batch.I_b)
        step(self.optimizers["generator"], loss)
        return {"l1": loss.detach()}


def build_stage1(settings: Stage1Settings) -> nn.Module:
    """Raises InputError for a size that its depth does not divide, and for a part warp with shared
    encoders."""
    require_divisible(settings.depth, settings.size)
    if settings.part_warp and settings.shared_encoders:
        raise InputError("part_warp needs encoders of their own: set shared_encoders = false")
    return Stage1(
        settings.width,
        settings.depth,
        settings.max_width,
        settings.shared_encoders,
        settings.part_warp,
    )


def require_divisible(depth: int, size: tuple[int, int]) -> None:
    """Raise InputError for a size that cannot be halved `depth` + 1 times."""
    divisor = 2 ** (depth + 1)
    if any(side % divisor for side in size):
        raise InputError(
            f"depth = {depth} needs a height and width divisible by {divisor}, not "
            "{} x {}".format(*size)
        )


stage1_task = Reconstruction
