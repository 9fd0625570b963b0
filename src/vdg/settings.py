"""Settings with types: those that every training has, and the types of a system's own.

A system declares `class Stage1Settings(TrainingSettings)` and, with a stage II, `Stage2Settings`.
Trainings depend on this file, not on config.py, which reads params.yaml.
"""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

MOST = 2**31 - 1
Float = Annotated[float, Field(allow_inf_nan=False, le=1e9), AfterValidator(float)]
Weight = Annotated[Float, Field(ge=0)]
"""Of a term of a loss: at least 0."""
Rate = Annotated[Float, Field(gt=0, le=1)]
Fraction = Annotated[Float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1, le=MOST)]
Size = Annotated[tuple[int, int], Field(strict=False)]
"""(H, W) in pixels."""


class Section(BaseModel):
    """A part of params.yaml: unknown keys and values of another type are errors."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, serialize_by_alias=True)


class TrainingSettings(Section):
    """The settings that every training has."""

    steps: Count
    batch_size: Annotated[int, Field(ge=1, le=65536)]
    learning_rate: Rate
    lr_decay_fraction: Fraction = 0.5  # final fraction of steps with linear decay to 0
    flip: bool = True  # mirror half of the pairs
    size: Size  # of the images; the data set gives it, not the system's section


class Hardware(Section):
    """How the networks of a run are computed, and its code: SHA-256 of each file that it runs."""

    device: str
    threads: int | None
    deterministic: bool
    code: dict[str, str]


class RunConfig(Hardware):
    """What `resolve` writes of a training: configs/<dataset>/stage1-<network>.json and its like.

    settings: of the system's own class, which `vdg.systems.settings` makes of this dict.
    """

    system: str
    settings: dict[str, Any]
    precision: str
    processes: int
    images_on_device: bool | Literal["auto"]


class EvaluationConfig(Hardware):
    """What `resolve` writes of the scores of a row; see `evaluation` in params.yaml."""

    split: str
    pairs: int
    classifier: str
    pose: str | None
    lpips: bool
    crop_width: int | None
    pad_width: int | None
    pictures: bool = False
    estimator: str | None = None  # of key points, with the first digits of its weights' SHA-256
