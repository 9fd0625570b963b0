"""Typed settings of small trainings, as params.yaml would give them, and small models."""

import torch

from vdg import systems
from vdg.settings import EvaluationConfig, RunConfig, TrainingSettings

SIZE = (32, 16)
COMMON = {"steps": 20, "batch_size": 4, "learning_rate": 1e-3, "size": SIZE}
SMALL = {"width": 4, "max_width": 8, "depth": 2}
"""A micro form of VDG, both stages."""
MACHINE = {"device": "cpu", "threads": 1, "deterministic": True, "code": {}}


def settings(system: str, stage: str = "stage1", **given) -> TrainingSettings:
    """The settings of a system's stage: the defaults of its class, COMMON, and what is given."""
    return systems.settings(system, stage, COMMON | given)


def vdg(stage: str = "stage1", **given) -> TrainingSettings:
    """The settings of a micro form of VDG."""
    return settings("vdg", stage, **(SMALL | given))


def run_config(chosen: TrainingSettings, system: str = "vdg", **given) -> RunConfig:
    """configs/<dataset>/stage1-<network>.json or stage2-<variant>.json of a training."""
    base = MACHINE | {"system": system, "precision": "fp32", "processes": 1}
    base["images_on_device"] = "auto"
    return RunConfig(**(base | {"settings": chosen.model_dump()} | given))


def evaluation_config(**given) -> EvaluationConfig:
    """configs/<dataset>/evaluation-<run>.json of 20 pairs, without a pose metric."""
    base = {"split": "test", "pairs": 20, "classifier": "efficientnet-lite0", "pose": None}
    base |= {"lpips": False, "crop_width": None, "pad_width": None}
    return EvaluationConfig(**(MACHINE | base | given))


def meta(stage1: TrainingSettings, stage2: TrainingSettings | None = None, system="vdg") -> dict:
    """Metadata of a model file, as a training writes it."""
    second = stage2 and stage2.model_dump(mode="json")
    first = stage1.model_dump(mode="json")
    return {"system": system, "stage1": first, "stage2": second, "size": first["size"]}


def build(stage1: TrainingSettings, stage2: TrainingSettings | None = None, system="vdg"):
    """The generator of a system, from seed 0."""
    torch.manual_seed(0)
    generator = systems.find(system).build_stage1(stage1)
    if stage2 is None:
        return generator
    return systems.find(system, "stage2").build_generator(generator, stage2)


def save(path, size=SIZE):
    """Write a micro VDG for images of a size, whose stages differ from the start; its path."""
    stages = vdg("stage1", size=size), vdg("stage2", size=size)
    generator = build(*stages)
    torch.nn.init.normal_(generator.stage2.head[-1].weight, std=0.1)
    systems.save(path, generator, meta(*stages))
    return path
