"""The two training stages: train a model from settings and files, write it and its losses."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from vdg import systems
from vdg.data.batches import Batch, PairData, load_pairs, to_uint8
from vdg.data.pairs import PairSampler, draw_pairs, random_stream
from vdg.drawing import grid, save_png, skeleton
from vdg.metrics.ssim import mask_ssim, ssim
from vdg.runtime import (
    provenance,
    require_compiler,
    scratch_folder,
    select_device,
    set_up,
)
from vdg.training import distributed
from vdg.training.checkpoints import clean_up
from vdg.training.cost import budget
from vdg.training.loop import train, write_losses
from vdg.training.objectives import Task

PREVIEW_PAIRS = 6
WATCHED_PAIRS = 64  # validation pairs that are scored during training
SPLITS = ("train", "validation")


@dataclass(frozen=True)
class Run:
    """Inputs and outputs of one training.

    config: configs/<dataset>/stage1-<network>.json or stage2-<variant>.json.
    data: data/<dataset>. folder: of the model and its samples. losses: a CSV.
    stage1: the model that stage II refines; None for stage I.
    """

    config: dict
    data: Path
    seed: int
    folder: Path
    losses: Path
    stage1: Path | None = None

    @property
    def settings(self) -> dict:
        return self.config["settings"]

    @property
    def inputs(self) -> list[Path]:
        """Input files of the training."""
        packed = {PairData.packed(self.data, split) for split in SPLITS}
        poses = [self.data / "poses" / f"{split}.safetensors" for split in SPLITS]
        return [*([self.stage1] if self.stage1 else []), *poses, *sorted(packed)]


def train_stage1(run: Run) -> None:
    """Train a stage I."""
    with distributed.join(select_device(run.config["device"])) as device:
        set_up(run.seed, run.config["deterministic"], run.config["threads"])
        task, meta = stage1_task(run.config)
        _train(run, task, meta, device)


def train_stage2(run: Run) -> None:
    """Train a stage II on top of a trained stage I."""
    with distributed.join(select_device(run.config["device"])) as device:
        set_up(run.seed, run.config["deterministic"], run.config["threads"])
        task, meta = stage2_task(run.config, *systems.load(run.stage1, device))
        _train(run, task, meta, device)


def stage1_task(config: dict) -> tuple[Task, dict]:
    """Returns (task of stage I, metadata of its model file)."""
    settings, system = config["settings"], systems.find(config["system"])
    task = system.stage1_task(system.build_stage1(settings), settings)
    return task, {"system": config["system"], "stage1": settings, "stage2": None}


def stage2_task(config: dict, stage1: nn.Module, meta: dict) -> tuple[Task, dict]:
    """Returns (task of stage II on top of a stage I, metadata of its model file).

    stage1, meta: as `systems.load` returns them.
    """
    settings, system = config["settings"], systems.find(meta["system"])
    task = system.stage2_task(system.build_generator(stage1, settings), settings)
    return task, meta | {"stage2": settings}


def _train(run: Run, task: Task, meta: dict, device: torch.device) -> None:
    if run.config["compile"]:
        require_compiler()
    pairs, validation = load_pairs(run.data, SPLITS, device)
    cost = budget(task, run.settings, meta)
    own = {"seed": run.seed, "meta": meta, "device": device.type}
    own["processes"] = distributed.world_size()  # torchrun may have been started by hand
    scratch = scratch_folder(run.config | own, run.inputs)
    samples = run.folder / "samples.png"
    rows = train(
        task,
        batches(pairs, run.settings, run.seed),
        steps=run.settings["steps"],
        scratch=scratch,
        lr_decay_fraction=run.settings["lr_decay_fraction"],
        device=device,
        precision=run.config["precision"],
        compiled=run.config["compile"],
        label=run.folder.name,
        at_checkpoint=lambda: preview(task.result, pairs, samples),
        watch=lambda: validation_scores(task.result, validation),
    )
    if distributed.rank() > 0:
        return
    machine = {"seed": run.seed} | provenance(device, run.config, distributed.world_size())
    about = meta | cost | {"size": run.settings["size"], "run": machine}
    systems.save(run.folder / "model.safetensors", task.result, about)
    write_losses(run.losses, rows)
    preview(task.result, pairs, samples)
    clean_up(scratch)


def batches(data: PairData, settings: dict, seed: int) -> Callable[[int], Batch]:
    """A function step -> batch that depends only on (seed, step), so that runs can resume."""
    size = settings["batch_size"]
    sampler = PairSampler(data.pairs, size, seed)

    def batch_at(step: int) -> Batch:
        pairs, flip = sampler.batch(step), None
        if settings["flip"]:
            flip = torch.rand(size, generator=random_stream(seed, "flip", step)) < 0.5
            flip = distributed.shard(flip)
        return data.batch(distributed.shard(pairs), flip)

    return batch_at


@torch.no_grad()
def validation_scores(generator: nn.Module, data: PairData) -> dict[str, float]:
    """SSIM and mask-SSIM of WATCHED_PAIRS validation pairs; empty without validation pairs."""
    if not len(data.pairs):
        return {}
    batch = data.batch(torch.as_tensor(draw_pairs(data.pairs.numpy(), WATCHED_PAIRS)))
    generated, targets = (
        torch.as_tensor(to_uint8(images)).permute(0, 3, 1, 2)
        for images in (_generate(generator, batch), batch.I_b)
    )
    return {
        "validation_ssim": float(ssim(generated, targets).mean()),
        "validation_mask_ssim": float(mask_ssim(generated, targets, batch.M_b.cpu() > 0).mean()),
    }


def _generate(generator: nn.Module, batch: Batch) -> Tensor:
    """Generate in eval mode, then restore the mode."""
    training = generator.training
    generator.eval()
    images = generator(batch.I_a, batch.K_a, batch.K_b)
    generator.train(training)
    return images


@torch.no_grad()
def preview(generator: nn.Module, data: PairData, path: Path) -> None:
    """Write a grid of training pairs: source, target pose, generated, target."""
    spread = torch.linspace(0, len(data.pairs) - 1, PREVIEW_PAIRS).long()
    batch = data.batch(data.pairs[spread])
    generated = to_uint8(_generate(generator, batch))
    sources, targets = to_uint8(batch.I_a), to_uint8(batch.I_b)
    black = np.zeros_like(targets[0])
    joints = batch.K_b.cpu().numpy()
    rows = [
        [source, skeleton(pose, black), image, target]
        for source, pose, image, target in zip(sources, joints, generated, targets, strict=True)
    ]
    save_png(path, grid(rows))
