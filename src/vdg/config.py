"""params.yaml: its schema and its validation."""

import difflib
import importlib
import pkgutil
import re
import reprlib
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    ValidationError,
    model_validator,
)

from vdg import data, systems
from vdg.errors import InputError
from vdg.layout import REFERENCES
from vdg.metrics import perceptual
from vdg.metrics.ssim import WINDOWS
from vdg.published import Published
from vdg.settings import MOST, Count, Float, Fraction, Section, Size, TrainingSettings

NAME = r"^[a-z0-9][a-z0-9-]*$"
DEFAULT = "default"  # the settings of a network on every data set


Seed = Annotated[int, Field(ge=0, lt=2**32)]
Name = Annotated[str, Field(pattern=NAME, max_length=64)]
Names = Annotated[list[Name], Field(min_length=1)]


# --- systems --------------------------------------------------------------------------------------


def _reader(name: str) -> str:
    files = [module.name for module in pkgutil.iter_modules(data.__path__)]
    if name not in files or not _reads(name):
        known = ", ".join(filter(_reads, files))
        raise ValueError(f"no such file in src/vdg/data/; allowed: {known}")
    return name


def _reads(name: str) -> bool:
    """Whether a module of vdg.data is a reader: it defines `read`."""
    return hasattr(importlib.import_module(f"vdg.data.{name}"), "read")


def _system(name: str) -> str:
    if name not in systems.known():
        allowed = ", ".join(systems.known())
        raise ValueError(f"no such file or folder in src/vdg/systems/; allowed: {allowed}")
    return name


Reader = Annotated[str, AfterValidator(_reader)]
System = Annotated[str, AfterValidator(_system)]


class Network(Section):
    """A system with its settings on each data set."""

    system: System | None = None
    extends: str | None = None  # a network whose system and settings it takes over
    kind: Literal["ours", "compared"] = "ours"
    paper: Published | None = None  # the published row that it stands beside
    about: str | None = None
    stage1: dict[Name, dict[str, Any]] = Field(default_factory=dict)
    stage2: dict[Name, dict[str, Any]] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _has_a_system(self):
        if (self.system is None) == (self.extends is None):
            raise ValueError("a network has either a system or a network that it extends")
        return self


class Variant(BaseModel):
    """A stage II; further keys take the place of its network's settings."""

    model_config = ConfigDict(extra="allow", strict=True, frozen=True)
    network: str
    paper: Published | None = None
    about: str | None = None

    @property
    def settings(self) -> dict[str, Any]:
        return self.__pydantic_extra__ or {}


# --- data sets ------------------------------------------------------------------------------------


class RenderedSource(Section):
    reader: Literal["synthetic", "rendered"]  # the small data set, or the benchmark
    train_identities: Annotated[int, Field(ge=1, le=100_000)]
    test_identities: Annotated[int, Field(ge=1, le=100_000)]
    views: Annotated[int, Field(ge=2, le=1000)]
    seed: Seed


class Annotations(Section):
    train: str | None = None
    test: str | None = None


class ArchiveSource(Section):
    reader: Reader
    archive: str
    url: str | None = None
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    annotations: Annotations = Annotations()
    annotation_size: Size | None = None  # that they are in pixels of; null: height x width
    pairs: str | None = None
    margin: Annotated[int, Field(ge=0, le=4096)] = 0
    # filter for images of another size, which are stretched to height x (width + 2 margin)
    resize: Literal["bilinear", "bicubic", "lanczos"] | None = None


class FolderSource(Section):
    """People of one's own: a folder per identity, or names that begin with it."""

    reader: Literal["folder"]
    archive: str  # a folder, or a zip of it
    annotations: str | None = None  # key points in pixels of the images; null estimates them
    test_fraction: Annotated[Float, Field(gt=0, lt=1)] = 0.2  # of the identities
    seed: Seed = 0  # of the split


class Poses(Section):
    split: Literal["official", "hold-out"] = "official"
    hold_out_identities: Count = 100
    validation_identities: Annotated[int, Field(ge=0, le=MOST)] = 0


class Evaluation(Section):
    split: Literal["test", "validation"] = "test"
    pairs: Annotated[int, Field(ge=10, le=MOST)] = 2000  # the ten splits of IS need one image each
    classifier: Literal["inception-2015", "efficientnet-lite0"] = "inception-2015"
    fid_reference: Literal["test", "train"] = "test"
    pose: Literal["silhouettes", "keypoints"] | None = None
    lpips: bool = False
    crop_width: Count | None = None
    pad_width: Annotated[int, Field(ge=16, le=8192)] | None = None
    pictures: bool = False


TAGS = {"(rendered)": RenderedSource, "(folder)": FolderSource, "(archive)": ArchiveSource}


def _source_tag(value: Any) -> str:
    reader = value.get("reader") if isinstance(value, dict) else getattr(value, "reader", None)
    tags = {"synthetic": "(rendered)", "rendered": "(rendered)", "folder": "(folder)"}
    return tags.get(reader, "(archive)") if isinstance(reader, str) else "(archive)"


Source = Annotated[
    Annotated[RenderedSource, Tag("(rendered)")]
    | Annotated[FolderSource, Tag("(folder)")]
    | Annotated[ArchiveSource, Tag("(archive)")],
    Discriminator(_source_tag),
]
Side = Annotated[int, Field(ge=16, le=4096)]


class Dataset(Section):
    published: Literal["market1501", "deepfashion"] | None = None
    like: Name | None = None  # the data set whose settings networks have on this one, too
    height: Side
    width: Side
    source: Source
    poses: Poses = Poses()
    evaluation: Evaluation

    @model_validator(mode="after")
    def _fits_together(self):
        rendered = self.rendered
        crop = self.evaluation.crop_width
        if crop is not None and not 11 <= crop <= self.width:
            raise ValueError(
                f"evaluation.crop_width = {crop}: must be from 11, SSIM's window, to the width, "
                f"{self.width}"
            )
        pad = self.evaluation.pad_width
        if pad is not None and pad <= self.width:
            raise ValueError(
                f"evaluation.pad_width = {pad}: must be larger than the width, {self.width}"
            )
        if crop == len(WINDOWS["wide"][0]):
            raise ValueError(
                f"evaluation.crop_width = {crop}: ssim_{crop} is the SSIM with a window of {crop}: "
                f"choose {crop - 1} or {crop + 1}"
            )
        if self.evaluation.lpips and min(self.height, self.width) < perceptual.SMALLEST:
            raise ValueError(
                f"evaluation.lpips = true: its network needs sides of {perceptual.SMALLEST} pixels "
                "or more: leave it out"
            )
        if self.evaluation.pose == "silhouettes" and not rendered:
            raise ValueError(
                "evaluation.pose = 'silhouettes': only available with reader: synthetic or rendered"
            )
        if self.evaluation.pose == "silhouettes" and self.width % 8:
            raise ValueError(
                f"evaluation.pose = 'silhouettes': its segmenter needs a width that 8 divides, not "
                f"{self.width}"
            )
        if isinstance(self.source, FolderSource) and self.poses.split == "hold-out":
            raise ValueError(
                "poses.split = 'hold-out': with reader: folder, source.test_fraction makes the "
                "test split: leave split out"
            )
        if rendered and self.height != 2 * self.width:
            raise ValueError("the renderer draws images twice as high as wide")
        if self.evaluation.split == "validation" and not self.poses.validation_identities:
            raise ValueError(
                "evaluation.split = 'validation': poses.validation_identities is 0: give some"
            )
        return self

    @property
    def rendered(self) -> bool:
        """Whether its people are rendered, so that their silhouettes are known."""
        return isinstance(self.source, RenderedSource)

    @property
    def estimates(self) -> bool:
        """Whether key points are estimated; of a hold-out, the training part alone is read."""
        match self.source:
            case FolderSource():
                return self.source.annotations is None
            case ArchiveSource(annotations=given):
                hold_out = self.poses.split == "hold-out"
                return given.train is None or (given.test is None and not hold_out)
        return False

    @property
    def needs_estimator(self) -> bool:
        return self.estimates or self.evaluation.pose == "keypoints"


# --- the whole file -------------------------------------------------------------------------------


class Params(Section):
    datasets: Names
    networks: Names
    variants: Names
    seeds: Annotated[list[Seed], Field(min_length=1)]
    alpha: Fraction
    device: Annotated[str, Field(pattern=r"^(auto|cpu|mps|cuda(:\d{1,3})?)$")]
    threads: Annotated[int, Field(ge=1, le=4096)] | None
    precision: Literal["fp32", "bf16"]
    deterministic: bool
    processes: Annotated[int, Field(ge=1, le=4096)]
    images_on_device: bool | Literal["auto"]
    network: dict[Name, Network]
    variant: dict[Name, Variant]
    dataset: dict[Name, Dataset]

    def refined(self, network: str) -> bool:
        """Whether a network has a stage II: it then gives coarse predictions alone."""
        return any(variant.network == network for variant in self.variant.values())

    def lineage(self, network: str) -> list[str]:
        """A network after those that it extends, the first of which names the system."""
        names = [network]
        while (base := self.network[names[0]].extends) is not None:
            if base not in self.network or base in names:
                raise InputError(
                    f"params.yaml: network.{names[0]}.extends = {_short(base)}: must be another "
                    f"network, which does not extend this one; allowed: {', '.join(self.network)}"
                )
            names.insert(0, base)
        return names

    def system(self, network: str) -> str:
        """The system of a network, which it may have from one that it extends."""
        return self.network[self.lineage(network)[0]].system

    def stage1(self, network: str, dataset: str) -> TrainingSettings:
        """The settings of a network's stage I on a data set. Raises InputError."""
        return self._settings(network, "stage1", dataset, {}, {})

    def stage2(self, variant: str, dataset: str) -> TrainingSettings:
        """The settings of a variant on a data set. Raises InputError."""
        chosen = self.variant[variant]
        system = self.system(chosen.network)
        model = systems.settings_class(system, "stage2")
        if model is None:
            raise InputError(
                f"params.yaml: variant.{variant}.network = {chosen.network!r}: its system {system}"
                " has no stage II"
            )
        common = {"": {"alpha": self.alpha} if "alpha" in model.model_fields else {}}
        last = {f"variant.{variant}": chosen.settings}
        return self._settings(chosen.network, "stage2", dataset, common, last)

    def _settings(self, network: str, stage: str, dataset: str, first, last) -> TrainingSettings:
        layers = dict(first)
        for name in self.lineage(network):
            given = getattr(self.network[name], stage)
            for key in filter(None, (DEFAULT, self.dataset[dataset].like, dataset)):
                layers[f"network.{name}.{stage}.{key}"] = given.get(key, {})
        layers |= last
        merged = {key: value for layer in layers.values() for key, value in layer.items()}
        model = systems.settings_class(self.system(network), stage)
        place = f"network.{network}.{stage}"
        if "size" in merged:
            raise InputError(
                f"params.yaml: {place}: size: unknown key; the data set gives the size"
            )
        size = self.dataset[dataset]
        try:
            return model.model_validate(merged | {"size": (size.height, size.width)})
        except ValidationError as error:
            raise InputError(_settings_error(error, model, layers, place, dataset)) from None


def _settings_error(
    error: ValidationError,
    model: type[TrainingSettings],
    layers: dict[str, dict],
    place: str,
    dataset: str,
) -> str:
    """The one line of a wrong setting, with the place in params.yaml where it stands."""
    key = error.errors()[0]["loc"][0]
    where = [layer for layer, given in layers.items() if key in given]
    known = [field.alias or name for name, field in model.model_fields.items() if name != "size"]
    line = _one_line(error, lambda _: known, where[-1] if where else place)
    if error.errors()[0]["type"] == "missing":
        line += f": give it in {place}.{dataset}, or in {place}.{DEFAULT} for every data set"
    return line


# --- reading --------------------------------------------------------------------------------------


class _Loader(yaml.SafeLoader):
    """YAML 1.2's core schema, which DVC reads, where PyYAML by itself reads YAML 1.1.

    By 1.1, 0100 is 64, 1:30 is 90 and 2e-4 is a text. Keys given twice and anchors, which
    `dvc exp run -S` breaks, are refused.
    """

    yaml_implicit_resolvers = {}  # noqa: RUF012

    def construct_mapping(self, node, deep=False):
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                raise InputError(f"params.yaml: duplicate key {_short(key)}; keep one")
        return super().construct_mapping(node, deep)

    def compose_node(self, parent, index):
        if self.check_event(yaml.AliasEvent) or getattr(self.peek_event(), "anchor", None):
            line = self.peek_event().start_mark.line + 1
            raise InputError(
                f"params.yaml: line {line}: anchors and aliases are not supported, because dvc exp "
                "run -S would change one place of two; write the value out"
            )
        return super().compose_node(parent, index)

    def construct_number(self, node):
        text = node.value.replace("_", "")
        try:
            return int(text) if re.fullmatch(r"[-+]?\d{1,400}", text) else float(text)
        except ValueError as error:
            raise InputError(f"params.yaml: {_short(node.value)} is not a number") from error

    def construct_special(self, node):
        return float(node.value.replace(".", ""))


for _tag, _pattern, _first in (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("int", r"[-+]?\d+", "-+0123456789"),
    ("float", r"[-+]?(\.\d+|\d+(\.\d*)?)([eE][-+]?\d+)?", "-+.0123456789"),
    ("special", r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)", "-+."),
):
    _Loader.add_implicit_resolver(
        f"tag:yaml.org,2002:{_tag}", re.compile(f"^(?:{_pattern})$"), list(_first)
    )
for _tag, _constructor in (
    ("int", _Loader.construct_number),
    ("float", _Loader.construct_number),
    ("special", _Loader.construct_special),
):
    _Loader.add_constructor(f"tag:yaml.org,2002:{_tag}", _constructor)


def load(path) -> Params:
    """Read and validate params.yaml as a whole.

    Raises InputError: one line with the key, its value and what is allowed.
    """
    try:
        raw = yaml.load(Path(path).read_text("utf-8"), _Loader)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 text: save it as UTF-8") from error
    except RecursionError as error:
        raise InputError(f"{path} is nested too deeply: restore it with git") from error
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        reason = " ".join(str(error).split())[:300]
        raise InputError(f"{path} is not valid YAML: {reason}") from error
    if not isinstance(raw, dict):
        raise InputError(f"{path} holds no keys: restore it with git checkout {path}")
    try:
        params = Params.model_validate(raw)
    except ValidationError as error:
        raise InputError(_one_line(error, _keys_at)) from None
    _check_together(params)
    return params


def _short(value: Any) -> str:
    """A value in an error message, however long it is."""
    shortener = reprlib.Repr()
    shortener.maxstring = shortener.maxother = 80
    return shortener.repr(value)


def _one_line(error: ValidationError, keys_at, prefix: str = "") -> str:
    problem = error.errors(include_url=False)[0]
    parts = [prefix, *(str(part) for part in problem["loc"] if part not in TAGS)]
    key = ".".join(part for part in parts if part)[:300]
    value, context = problem["input"], problem.get("ctx", {})
    match problem["type"]:
        case "missing":
            return f"params.yaml: {key} is missing"
        case "extra_forbidden":
            *parents, name = problem["loc"]
            known = keys_at(parents)
            close = difflib.get_close_matches(str(name), known, 1)
            hint = f"did you mean {close[0]}?" if close else f"allowed: {', '.join(known)}"
            return f"params.yaml: {key} = {_short(value)}: unknown key; {hint}"
        case "literal_error":
            allowed = f"must be {context['expected']}"
        case "string_pattern_mismatch":
            allowed = f"must match {context['pattern']}"
        case "value_error":
            allowed = str(context["error"])
        case _:
            allowed = problem["msg"].removeprefix("Input ")
    shown = "" if isinstance(value, dict) else f" = {_short(value)}"
    return f"params.yaml: {key}{shown}: {allowed}"


def _keys_at(location: list) -> list[str]:
    """The keys that the schema allows at a place in params.yaml."""
    model: Any = Params
    for part in location:
        if part in TAGS:
            model = TAGS[part]
        elif isinstance(model, type) and issubclass(model, BaseModel):
            model = model.model_fields[part].annotation
        else:  # dict[str, Section]: the part is a name
            model = get_args(model)[1]
    return list(model.model_fields)


def _check_together(params: Params) -> None:
    _check_lists(params)
    _check_names(params)
    for name, section in params.dataset.items():
        if section.like is not None and section.like not in params.dataset:
            raise InputError(
                f"params.yaml: dataset.{name}.like = {_short(section.like)}: no such data set; "
                f"allowed: {', '.join(params.dataset)}"
            )
    for name in params.variants:
        network = params.variant[name].network
        if network not in params.networks:
            raise InputError(
                f"params.yaml: variant.{name}.network = {_short(network)}: not trained; add it to "
                f"networks ({params.networks}) or use one of those"
            )
    for dataset in params.datasets:
        for name in params.networks:
            _check_batch(params, f"network.{name}", params.stage1(name, dataset))
        for name in params.variants:
            _check_batch(params, f"variant.{name}", params.stage2(name, dataset))


def _check_lists(params: Params) -> None:
    for key in ("datasets", "networks", "variants", "seeds"):
        listed = getattr(params, key)
        known = getattr(params, key[:-1], None)
        for name in listed:
            if known is not None and name not in known:
                raise InputError(
                    f"params.yaml: {key} = {_short(listed)}: unknown {key[:-1]} {name!r}; "
                    f"allowed: {', '.join(known)}"
                )
            if listed.count(name) > 1:
                raise InputError(f"params.yaml: {key} = {_short(listed)}: duplicate entry {name!r}")


def _check_names(params: Params) -> None:
    if DEFAULT in params.dataset:
        raise InputError(
            f"params.yaml: dataset.{DEFAULT}: that name stands for every data set in the settings "
            "of a network; choose another"
        )
    for key, name in [("variant", n) for n in params.variant] + [
        ("network", n) for n in params.network if not params.refined(n)
    ]:
        if name.startswith("stage1") or name in REFERENCES or name == "references":
            raise InputError(
                f"params.yaml: {key}.{name}: the table has a row of that name already; choose one"
                f" that does not begin with stage1 and is none of {', '.join(REFERENCES)}"
            )
    for name in params.variant:
        if name in params.network and not params.refined(name):
            raise InputError(
                f"params.yaml: variant.{name}: a network of that name has a row of its own; choose"
                " another name"
            )


def _check_batch(params: Params, where: str, settings: TrainingSettings) -> None:
    size = settings.batch_size
    if size % params.processes:
        raise InputError(
            f"params.yaml: processes = {params.processes}: must divide batch_size = {size} of "
            f"{where}"
        )
