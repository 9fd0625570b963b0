"""What the report reads: configs/report.json, scores.json, and tables of numbers, all checked."""

from pathlib import Path
from typing import Annotated, Any, Literal

import pandas as pd
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    FiniteFloat,
    PositiveInt,
    ValidationError,
    model_validator,
)

from vdg import published as paper
from vdg.errors import InputError
from vdg.files import read_json
from vdg.layout import REFERENCES
from vdg.published import Published

REMEDY = "delete it and run dvc repro"


def _distinct(values: list) -> list:
    repeated = [value for value in values if values.count(value) > 1]
    if repeated:
        raise ValueError(f"duplicate entry {repeated[0]!r}")
    return values


# names of folders, which must not lead out of scores/, losses/ or reports/figures/
Folder = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")]


class _Form(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True)


class Dataset(_Form):
    """How a data set was split, evaluated and drawn. fid_reference: what the main table's FID
    compares with, the targets or the training images; published: its columns of the paper's table;
    rendered: True if no picture shows a real person; estimator, judge: what estimated the data
    set's key points and those that PCK compares, None where nothing did."""

    split: Literal["official", "hold-out"]
    evaluated: Literal["test", "validation"]
    fid_reference: Literal["test", "train"] = "test"
    rendered: bool
    published: Literal["market1501", "deepfashion"] | None
    height: PositiveInt
    width: PositiveInt
    estimator: str | None = None
    judge: str | None = None


class Run(_Form):
    """One row of the table. coarse: a stage I that some variant refines; paper: the published row
    it stands beside."""

    name: Annotated[str, Field(min_length=1)]
    run: Folder
    kind: Literal["ours", "compared"]
    coarse: bool
    about: str
    paper: Published | None


class Config(_Form):
    """configs/report.json."""

    datasets: Annotated[dict[Folder, Dataset], Field(min_length=1)]
    rows: Annotated[list[Run], Field(min_length=1)]
    seeds: Annotated[list[int], Field(min_length=1), AfterValidator(_distinct)]
    code: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _names_are_distinct(self) -> "Config":
        _distinct([*REFERENCES, *paper.TABLE, *(row.name for row in self.rows)])
        return self


class _Floor(_Form):
    mask_ssim_floor: FiniteFloat


class _Machine(_Form):
    device: str
    mode: str
    versions: str


class Training(_Form):
    """What a model file says of its training. Settings are by name; images_seen and
    training_tmac (10¹² multiply-adds) are optional."""

    system: str
    stage1: dict[str, Any]
    stage2: dict[str, Any] | None
    parameters: FiniteFloat
    run: _Machine
    images_seen: FiniteFloat | None = None
    training_tmac: FiniteFloat | None = None


class Scores(_Form):
    metrics: dict[str, FiniteFloat]
    pairs: PositiveInt
    classifier: str


class ReferenceScores(Scores):
    """scores/<dataset>/references/<row>.json."""

    about: _Floor


class RunScores(Scores):
    """scores/<dataset>/<run>-<seed>/scores.json."""

    about: Training


def read(path: Path, form: type[_Form]):
    """A JSON file as a form. Raises InputError that names the file and the first bad key."""
    try:
        return form.model_validate(read_json(path))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"])) or "whole file"
        message = first["msg"].removeprefix("Value error, ")
        raise InputError(f"{path}: {key}: {message}: {REMEDY}") from error
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read {path}: {error}: {REMEDY}") from error


def read_config(path: Path) -> Config:
    """configs/report.json, checked. Raises InputError that names the file."""
    return read(path, Config)


def read_table(path: Path, numeric: list[str] | None = None) -> pd.DataFrame:
    """A CSV whose named columns, or all of them, hold numbers.

    Raises InputError that names the file.
    """
    if not path.is_file():
        raise InputError(f"{path} is missing: run the stage that writes it (dvc repro)")
    try:
        table = pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read {path}: {error}: {REMEDY}".replace("\n", " ")) from error
    for column in table if numeric is None else numeric:
        if column not in table or not pd.api.types.is_numeric_dtype(table[column]):
            raise InputError(f"{path}: column {column!r} is missing or not numeric: {REMEDY}")
    return table
