"""The two training stages: settings and files in, a model and its losses out."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from vdg import systems
from vdg.data.batches import Batch, PairData, load_pairs, to_uint8
from vdg.data.pairs import PairSampler, draw_pairs
from vdg.drawing import grid, save_png, skeleton
from vdg.metrics.ssim import mask_ssim, ssim
from vdg.runtime import provenance, require_compiler, scratch_folder, select_device, set_up
from vdg.training import distributed
from vdg.training.checkpoints import clean_up
from vdg.training.loop import train, write_losses
from vdg.training.losses import ImageLoss
from vdg.training.objectives import Reconstruction, Refinement, Task

PREVIEW_PAIRS = 6
WATCHED_PAIRS = 64  # of the test, measured as training goes; no checkpoint is chosen by them


@dataclass
class Outputs:
    """Files of one training run."""

    model: Path
    losses: Path
    samples: Path

    @classmethod
    def of(cls, folder: Path, losses: Path) -> "Outputs":
        """A run that writes its model and samples to `folder`, and its losses to a CSV."""
        return cls(folder / "model.safetensors", losses, folder / "samples.png")


def stage1_task(config: dict) -> tuple[Reconstruction, dict]:
    """What stage I trains, and what its model file says of it.

    config: configs/<dataset>/stage1-<network>.json.
    """
    name, settings = config["network"]["system"], config["stage1"]
    system = systems.system(name)
    shape = settings | {"shared_encoders": config["network"]["shared_encoders"]}
    task = getattr(system, "Reconstruction", Reconstruction)
    meta = {"system": name, "stage1": shape, "stage2": None}
    return task(system.build_stage1(shape), settings["learning_rate"]), meta


def stage2_task(config: dict, coarse: nn.Module, meta: dict) -> tuple[Refinement, dict]:
    """What stage II trains on top of a stage I, and what its model file says of it.

    config: configs/<dataset>/stage2-<variant>.json. coarse, meta: of the stage I.
    """
    system, settings = systems.system(meta["system"]), config["stage2"]
    task = getattr(system, "Refinement", Refinement)(
        system.build_generator(coarse, settings),
        system.build_discriminator(settings),
        ImageLoss(**config["loss"]),
        lambda_=settings["lambda"],
        learning_rate=settings["learning_rate"],
        discriminator_learning_rate=settings["discriminator_learning_rate"],
        averaging=settings["averaging"],
    )
    return task, meta | {"stage2": settings, "loss": config["loss"]}


def train_stage1(config: dict, data: Path, seed: int, outputs: Outputs) -> None:
    """Train the coarse generator. config: configs/<dataset>/stage1-<network>.json."""
    with distributed.processes(select_device(config["device"])) as device:
        set_up(seed, config["deterministic"])
        task, meta = stage1_task(config)
        _run(task, config["stage1"], config, data, seed, outputs, meta, device, [])


def train_stage2(config: dict, data: Path, stage1: Path, seed: int, outputs: Outputs) -> None:
    """Refine a trained stage I adversarially. config: configs/<dataset>/stage2-<variant>.json."""
    with distributed.processes(select_device(config["device"])) as device:
        set_up(seed, config["deterministic"])
        task, meta = stage2_task(config, *systems.load(stage1, device))
        _run(task, config["stage2"], config, data, seed, outputs, meta, device, [stage1])


def _run(
    task: Task,
    settings: dict,
    config: dict,
    data: Path,
    seed: int,
    outputs: Outputs,
    meta: dict,
    device: torch.device,
    inputs: list[Path],
) -> None:
    if config["compile"]:
        require_compiler()
    pairs = load_pairs(data, "train", device)
    sampler = PairSampler(pairs.pairs, settings["batch_size"], seed)

    def batch_at(step: int):
        # a function of (seed, step), like the pairs: a resumed run mirrors the same ones
        chance = torch.Generator().manual_seed(seed * 1_000_003 + step)
        flip = distributed.share(torch.rand(settings["batch_size"], generator=chance) < 0.5)
        drawn = distributed.share(sampler.batch(step))
        return pairs.batch(drawn, flip if settings["flip"] else None)

    held_out = load_pairs(data, "test", device)
    inputs = [*inputs, *(data / "poses" / f"{split}.safetensors" for split in ("train", "test"))]
    parts = {pairs.part, held_out.part}  # one and the same where identities are held out
    inputs += [data / "download" / f"{part}.safetensors" for part in sorted(parts)]
    settings_of_run = config | {"seed": seed, "meta": meta, "device": device.type}
    scratch = scratch_folder(settings_of_run, inputs)
    rows = train(
        task,
        batch_at,
        steps=settings["steps"],
        scratch=scratch,
        decay=settings["decay"],
        device=device,
        precision=config["precision"],
        compiled=config["compile"],
        label=outputs.model.parent.name,
        at_checkpoint=lambda: preview(task.result, pairs, outputs.samples),
        watch=lambda: held_out_figures(task.result, held_out),
    )
    if distributed.rank() > 0:
        return
    about = {
        "size": [pairs.height, pairs.width],
        "run": {"seed": seed} | provenance(device, config, distributed.world()),
    }
    systems.save(outputs.model, task.result, meta | about)
    write_losses(outputs.losses, rows)
    preview(task.result, pairs, outputs.samples)
    clean_up(scratch)


@torch.no_grad()
def held_out_figures(generator: nn.Module, data: PairData) -> dict[str, float]:
    """SSIM and mask-SSIM of some test pairs: how a training comes on."""
    batch = data.batch(torch.as_tensor(draw_pairs(data.pairs.numpy(), WATCHED_PAIRS)))
    generated, targets = (
        torch.as_tensor(to_uint8(images)).permute(0, 3, 1, 2)
        for images in (_drawn(generator, batch), batch.I_b)
    )
    return {
        "held_out_ssim": float(ssim(generated, targets).mean()),
        "held_out_mask_ssim": float(mask_ssim(generated, targets, batch.M_b.cpu() > 0).mean()),
    }


def _drawn(generator: nn.Module, batch: Batch) -> Tensor:
    """What a network that is being trained draws when it is not."""
    training = generator.training
    generator.eval()
    images = generator(batch.I_a, batch.P_a, batch.P_b)
    generator.train(training)
    return images


@torch.no_grad()
def preview(generator: nn.Module, data: PairData, path: Path) -> None:
    """Write a grid of training pairs: source, target pose, generated, target."""
    spread = torch.linspace(0, len(data.pairs) - 1, PREVIEW_PAIRS).long()
    pairs = data.pairs[spread]
    batch = data.batch(pairs)
    generated = to_uint8(_drawn(generator, batch))
    sources, targets = to_uint8(batch.I_a), to_uint8(batch.I_b)
    joints = data.keypoints[pairs[:, 1].to(data.device)].cpu().numpy()
    black = np.zeros_like(targets[0])
    rows = [
        [source, skeleton(pose, black), image, target]
        for source, pose, image, target in zip(sources, joints, generated, targets, strict=True)
    ]
    save_png(path, grid(rows))
