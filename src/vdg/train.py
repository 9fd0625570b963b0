"""The two training stages: train a model from settings and files, write it and its losses."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from vdg import systems
from vdg.code import require_unchanged
from vdg.data.ahead import Ahead
from vdg.data.batches import Batch, Gathered, PairData, load_pairs, to_uint8
from vdg.data.pairs import draw_pairs
from vdg.data.sampling import PairSampler, random_stream
from vdg.drawing import grid, save_png, skeleton
from vdg.metrics.ssim import mask_ssim, ssim
from vdg.runtime import provenance, scratch_folder, select_device, set_up
from vdg.settings import RunConfig, TrainingSettings
from vdg.training import distributed
from vdg.training.checkpoints import clean_up
from vdg.training.cost import budget
from vdg.training.loop import run_steps
from vdg.training.progress import LossesFile
from vdg.training.task import Task

PREVIEW_PAIRS = 6
WATCHED_PAIRS = 64  # validation pairs that are scored during training
SPLITS = ("train", "validation")
VALIDATION = ("validation_ssim", "validation_mask_ssim")


@dataclass(frozen=True)
class Run:
    """Inputs and outputs of one training.

    config: of configs/<dataset>/stage1-<network>.json or stage2-<variant>.json.
    data: data/<dataset>. folder: of the model and its samples. losses: a CSV.
    stage1: the model that stage II refines; None for stage I.
    """

    config: RunConfig
    data: Path
    seed: int
    folder: Path
    losses: Path
    stage1: Path | None = None

    @property
    def inputs(self) -> list[Path]:
        """Input files of the training."""
        packed = {PairData.packed(self.data, split) for split in SPLITS}
        poses = [self.data / "poses" / f"{split}.safetensors" for split in SPLITS]
        return [*([self.stage1] if self.stage1 else []), *poses, *sorted(packed)]


def train_stage1(run: Run) -> None:
    """Train a stage I. Raises InputError where code changes meanwhile."""
    with _started(run) as device:
        task, meta = stage1_task(run.config)
        _train(run, task, meta, device)


def train_stage2(run: Run) -> None:
    """Train a stage II on top of a trained stage I. Raises InputError as `train_stage1` does."""
    with _started(run) as device:
        task, meta = stage2_task(run.config, *systems.load(run.stage1, device))
        _train(run, task, meta, device)


def stage1_task(config: RunConfig) -> tuple[Task, dict]:
    """Returns (task of stage I, metadata of its model file)."""
    system = systems.find(config.system)
    settings = systems.settings(config.system, "stage1", config.settings)
    task = system.stage1_task(system.build_stage1(settings), settings)
    return task, {"system": config.system, "stage1": settings.model_dump(), "stage2": None}


def stage2_task(config: RunConfig, stage1: nn.Module, meta: dict) -> tuple[Task, dict]:
    """Returns (task of stage II on top of a stage I, metadata of its model file).

    stage1, meta: as `systems.load` returns them.
    """
    system = systems.find(config.system, "stage2")
    settings = systems.settings(config.system, "stage2", config.settings)
    task = system.stage2_task(system.build_generator(stage1, settings), settings)
    return task, meta | {"stage2": settings.model_dump()}


@contextmanager
def _started(run: Run) -> Iterator[torch.device]:
    """Yield the device of a training whose random generators are seeded."""
    with distributed.join(select_device(run.config.device)) as device:
        set_up(run.seed, run.config.deterministic, run.config.threads)
        yield device


def _train(run: Run, task: Task, meta: dict, device: torch.device) -> None:
    require_unchanged(run.config.code)
    pairs, validation = load_pairs(run.data, SPLITS, device, run.config.images_on_device)
    settings, cost = task.settings, budget(task, meta)
    own = {"seed": run.seed, "meta": meta, "device": device.type}
    own["processes"] = distributed.world_size()  # torchrun may have been started by hand
    scratch = scratch_folder(run.config.model_dump() | own, run.inputs)
    samples = run.folder / "samples.png"
    losses = LossesFile(run.losses, VALIDATION if len(validation.pairs) else ())
    rows = run_steps(
        task,
        batches(pairs, settings, run.seed),
        steps=settings.steps,
        scratch=scratch,
        lr_decay_fraction=settings.lr_decay_fraction,
        device=device,
        precision=run.config.precision,
        label=run.folder.name,
        at_row=losses.write,
        at_checkpoint=lambda: preview(task.result, pairs, samples),
        watch=lambda: validation_scores(task.result, validation),
    )
    if distributed.rank() > 0:
        return
    require_unchanged(run.config.code)
    machine = {"seed": run.seed} | provenance(device, run.config, distributed.world_size())
    about = meta | cost | {"size": settings.size, "run": machine}
    systems.save(run.folder / "model.safetensors", task.result, about)
    losses.finish(rows)
    preview(task.result, pairs, samples)
    clean_up(scratch)


def batches(data: PairData, settings: TrainingSettings, seed: int) -> Callable[[int], Batch]:
    """A function step -> batch that depends only on (seed, step), so that runs can resume."""
    size = settings.batch_size
    sampler = PairSampler(data.pairs, size, seed)

    def gather(step: int) -> tuple[Gathered, Tensor | None]:
        pairs, flip = sampler.batch(step), None
        if settings.flip:
            flip = torch.rand(size, generator=random_stream(seed, "flip", step)) < 0.5
            flip = distributed.shard(flip)
        return data.gather(distributed.shard(pairs)), flip

    gathered = Ahead(gather) if data.read_ahead else gather
    return lambda step: data.finish(*gathered(step))


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
    values = ssim(generated, targets), mask_ssim(generated, targets, batch.M_b.cpu() > 0)
    return {name: float(value.mean()) for name, value in zip(VALIDATION, values, strict=True)}


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
