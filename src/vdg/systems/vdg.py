"""VDG, the View-Disentangled Generator (Lakhal, Lanz, Cavallaro, ECCV 2018 workshops).

Symbols: I_a, K_a image and key points of the source view a; I_b, K_b of the target view b; P_a,
P_b the heat maps of the key points. Images are (B, 3, H, W) in [-1, 1], key points (B, 18, 2) in
pixels, heat maps (B, 18, H, W) in [0, 1]. Layer tables are not published; the ones here follow
docs/choices.md.
"""

import torch
from torch import Tensor, nn

from vdg.blocks import Decoder, Encoder, PatchDiscriminator, Residual, level_widths
from vdg.errors import InputError
from vdg.pose import JOINTS, heat_maps
from vdg.training import distributed
from vdg.training.losses import ImageLoss
from vdg.training.objectives import Reconstruction, Refinement
from vdg.training.projected import ProjectedDiscriminator
from vdg.warp import part_warp

SETTINGS = {
    "stage1": {
        "width": 16,  # channels at half resolution, doubled per level ...
        "max_width": 128,  # ... up to this
        "depth": 3,  # downsampling levels after the first
        "shared_encoders": False,  # one set of encoder weights for both views
        "part_warp": False,  # beyond the paper: it also sees the source, moved part by part
    },
    "stage2": {
        "width": 16,
        "max_width": 64,
        "depth": 2,
        "part_warp": False,  # beyond the paper: it sees that source, too, and copies from it
        "alpha": (0.85, 0.0, 1.0),  # share of L_SSIM^mask in L_img; the rest is L_1^mask
        "similarity": ("mask-ssim", "part-ssim"),  # L_SSIM^mask, or in its place L_PSSIM
        "mask_weight": 1.0,  # w: the mask enters L_img as (1 + w M_b)
        "lambda": 10.0,  # weight of L_img relative to L_adv
        "discriminator_width": 16,
        "discriminator_levels": (3, 1, 6),  # downsampling levels
        "discriminator_learning_rate": (5e-4, 0.0, 1.0),
        "feature_weight": 0.0,  # beyond the paper: of a second discriminator, on frozen features
        "ema_decay": (0.99, 0.0, 0.9999999),  # of the moving average of weights that is kept
    },
}
P = len(JOINTS)
COPY_AT_START = -2.0
"""Logit of the source's share in I_b before training: .12. The part warp starts with half."""
LEFT_OUT = 0.1
"""Share of the training pairs whose part warp is left out of stage I."""


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


class Stage2(nn.Module):
    """Refinement: a U-Net on (I_b^R, I_a, P_b) predicts a difference image.

    Called with (I_b^R, I_a, K_a, K_b).
    Returns the final prediction I_b = clamp(I_b^R + difference, -1, 1); in training without the
    clamp, whose gradient is 0 beyond the range: colours that leave it could not come back.

    The U-Net ends at half the resolution; a head of two convolutions at full resolution also sees
    I_b^R. Without it the four pixels under a feature are linear functions of it and its neighbours.

    part_warp: beyond the paper, the part warp W of the source. U-Net and head also see W and its
    coverage, the head I_a, too. It also predicts two gates in (0, 1), by which pixels of I_a, then
    of W, are copied into I_b: detail that is copied need not be drawn.
    """

    def __init__(self, width: int, depth: int, max_width: int, part_warp: bool = False):
        super().__init__()
        widths = level_widths(width, depth, max_width)
        self.part_warp = part_warp
        self.encoder = Encoder(3 + 3 + P + 4 * part_warp, widths)
        self.bottleneck = nn.Sequential(Residual(widths[-1]), Residual(widths[-1]))
        self.decoder = Decoder(widths, widths[:-1], width)
        last = nn.Conv2d(width, 3 + 2 * part_warp, 3, padding=1)
        seen = 3 + (3 + 4) * part_warp
        self.head = nn.Sequential(
            nn.Conv2d(width + seen, width, 3, padding=1), nn.ReLU(inplace=True), last
        )
        for parameter in last.parameters():
            nn.init.zeros_(parameter)  # the difference starts at zero
        if part_warp:
            nn.init.constant_(last.bias[3:4], COPY_AT_START)

    def forward(self, coarse: Tensor, I_a: Tensor, K_a: Tensor, K_b: Tensor) -> Tensor:
        P_b = heat_maps(K_b, *I_a.shape[2:])
        W = part_warp(I_a, K_a, K_b) if self.part_warp else I_a[:, :0]  # without channels
        features = self.encoder(torch.cat([coarse, I_a, P_b, W], 1))
        decoded = self.decoder(self.bottleneck(features[-1]), features[:-1])
        seen = [I_a, W] if self.part_warp else []
        out = self.head(torch.cat([decoded, coarse, *seen], 1)).float()
        I_b = coarse + out[:, :3]
        if self.part_warp:
            I_b = copied(I_b, I_a, W, *out[:, 3:].sigmoid().split(1, 1))
        return I_b if self.training else I_b.clamp(-1, 1)


def copied(I_b: Tensor, I_a: Tensor, W: Tensor, of_source: Tensor, of_warp: Tensor) -> Tensor:
    """Replace a share of each pixel of I_b by I_a's, then by W's.

    W: (B, 4, H, W), as `part_warp` returns it. of_source, of_warp: the shares, (B, 1, H, W); the
    second is of what W covers.
    """
    I_b = torch.lerp(I_b, I_a, of_source)
    return I_b * (1 - of_warp * W[:, 3:]) + of_warp * W[:, :3]


class Generator(nn.Module):
    """The whole of VDG: (I_a, K_a, K_b) -> I_b. Stage I is frozen; stage II is what trains."""

    def __init__(self, stage1: nn.Module, stage2: nn.Module):
        super().__init__()
        self.stage1 = stage1.requires_grad_(False)
        self.stage2 = stage2

    def train(self, mode: bool = True) -> "Generator":
        super().train(mode)
        self.stage1.eval()  # frozen means its batch statistics too
        return self

    def forward(self, I_a: Tensor, K_a: Tensor, K_b: Tensor) -> Tensor:
        with torch.no_grad():
            coarse = self.stage1(I_a, K_a, K_b)
        return self.stage2(coarse, I_a, K_a, K_b)


class Discriminator(nn.Module):
    """Conditional PatchGAN on (I_a, P_b, image): patch logits of "real". Called with K_b.

    Returns a list of logits, each (B, 1, h, w); `weights` are those of their losses.

    feature_weight: beyond the paper. Above 0, a projected GAN's discriminator sees the image alone;
    its logits follow those of the patches, and the mean of their losses has this weight.
    """

    def __init__(self, width: int, levels: int, feature_weight: float = 0.0):
        super().__init__()
        self.patches = PatchDiscriminator(3 + P + 3, width, levels)
        self.weights = [1.0]
        self.projected = ProjectedDiscriminator(width) if feature_weight else None
        if self.projected is not None:
            count = len(self.projected.heads)
            self.weights += [feature_weight / count] * count

    def forward(self, I_a: Tensor, K_b: Tensor, image: Tensor) -> list[Tensor]:
        logits = [self.patches(I_a, heat_maps(K_b, *I_a.shape[2:]), image)]
        if self.projected is not None:
            logits += self.projected(image)
        return [x.float() for x in logits]


def build_stage1(settings: dict) -> nn.Module:
    """settings: of stage I. Raises InputError for a size that its depth does not divide, and for a
    part warp with shared encoders."""
    _require_divisible(settings)
    if settings["part_warp"] and settings["shared_encoders"]:
        raise InputError("part_warp needs encoders of their own: set shared_encoders = false")
    keys = ("width", "depth", "max_width", "shared_encoders", "part_warp")
    return Stage1(**{key: settings[key] for key in keys})


def build_generator(stage1: nn.Module, settings: dict) -> nn.Module:
    """settings: of stage II. Raises InputError for a size that its depth does not divide."""
    _require_divisible(settings)
    keys = ("width", "depth", "max_width", "part_warp")
    return Generator(stage1, Stage2(**{key: settings[key] for key in keys}))


def build_discriminator(settings: dict) -> nn.Module:
    """settings: of stage II. Raises InputError for images smaller than one patch."""
    levels = settings["discriminator_levels"]
    if min(settings["size"]) < 2**levels:
        raise InputError(
            f"discriminator_levels = {levels} needs images of at least {2**levels} pixels, not "
            "{} x {}".format(*settings["size"])
        )
    return Discriminator(settings["discriminator_width"], levels, settings["feature_weight"])


stage1_task = Reconstruction


def stage2_task(generator: nn.Module, settings: dict) -> Refinement:
    """Adversarial refinement with L_img of (alpha, w)."""
    loss = ImageLoss(settings["alpha"], settings["mask_weight"], settings["similarity"])
    return Refinement(generator, build_discriminator(settings), loss, settings)


def _require_divisible(settings: dict) -> None:
    divisor = 2 ** (settings["depth"] + 1)
    if any(side % divisor for side in settings["size"]):
        raise InputError(
            f"depth = {settings['depth']} needs a height and width divisible by {divisor}, not "
            "{} x {}".format(*settings["size"])
        )
