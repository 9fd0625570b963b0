"""params.yaml: its schema, its validation, and the part of it that each stage runs on."""

import difflib
import re
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    ValidationError,
    model_validator,
)

from vdg import resolve as code
from vdg.errors import InputError

NAME = r"^[a-z0-9][a-z0-9-]*$"
CODE = Path(__file__).parent
HARDWARE = ("device", "precision", "deterministic")
ROWS = ("real", "copy-source", "mean-image")


def _to_float(value: Any) -> Any:
    """YAML 1.1 reads 2e-4 as text and 1 as an integer; both are meant as numbers."""
    if isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, str) and re.fullmatch(r"[-+]?[\d.]+e[-+]?\d+", value, re.IGNORECASE):
        return float(value)
    return value


Float = Annotated[float, BeforeValidator(_to_float), Field(allow_inf_nan=False)]
Rate = Annotated[Float, Field(gt=0, le=1)]
Share = Annotated[Float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]
Names = Annotated[list[Annotated[str, Field(pattern=NAME)]], Field(min_length=1)]


def _module_of(folder: str, function: str) -> AfterValidator:
    """The name must be that of a module in the folder that defines the function."""

    def check(name: str) -> str:
        files = sorted((CODE / folder).glob("*.py"))
        known = [file.stem for file in files if f"\ndef {function}(" in file.read_text()]
        if name not in known:
            raise ValueError(f"no such file in src/vdg/{folder}/; allowed: {', '.join(known)}")
        return name

    return AfterValidator(check)


Reader = Annotated[str, _module_of("data", "read")]
System = Annotated[str, _module_of("systems", "build_stage1")]


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class SyntheticSource(Section):
    reader: Literal["synthetic"]
    train_identities: Count
    test_identities: Count
    views: Annotated[int, Field(ge=2)]
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
    pairs: str | None = None


class Poses(Section):
    split: Literal["official", "hold-out"]
    hold_out_identities: Count = 100


class Stage1(Section):
    width: Count
    depth: Annotated[int, Field(ge=1, le=8)]
    widest: Count
    steps: Count
    batch_size: Count
    learning_rate: Rate
    decay: Share
    flip: bool


class Stage2(Stage1):
    discriminator_width: Count
    discriminator_levels: Annotated[int, Field(ge=1, le=6)]
    discriminator_learning_rate: Rate
    lambda_: Annotated[Float, Field(ge=0, alias="lambda")]
    averaging: Annotated[Float, Field(ge=0, lt=1)]


class Evaluation(Section):
    pairs: Annotated[int, Field(ge=10)]  # the ten splits of IS need one picture each
    classifier: Literal["inception-2015", "efficientnet-lite0"]
    pose: Literal["silhouettes", "keypoints"] | None = None
    lpips: bool = False
    crop_width: Count | None = None


TAGS = {"(rendered)": SyntheticSource, "(archive)": ArchiveSource}


def _source_tag(value: Any) -> str:
    reader = value.get("reader") if isinstance(value, dict) else getattr(value, "reader", None)
    return "(rendered)" if reader == "synthetic" else "(archive)"


Source = Annotated[
    Annotated[SyntheticSource, Tag("(rendered)")] | Annotated[ArchiveSource, Tag("(archive)")],
    Discriminator(_source_tag),
]


class Dataset(Section):
    published: Literal["market1501", "deepfashion"] | None = None
    height: Annotated[int, Field(ge=16)]
    width: Annotated[int, Field(ge=16)]
    source: Source
    poses: Poses
    stage1: Stage1
    stage2: Stage2
    evaluation: Evaluation

    @model_validator(mode="after")
    def _sizes_divide(self):
        for stage in (self.stage1, self.stage2):
            for side in (self.height, self.width):
                if side % 2 ** (stage.depth + 1):
                    raise ValueError(
                        f"depth {stage.depth} needs a height and width divisible by "
                        f"{2 ** (stage.depth + 1)}, not {self.height} x {self.width}"
                    )
        levels = self.stage2.discriminator_levels
        if min(self.height, self.width) < 2**levels:
            raise ValueError(
                f"stage2.discriminator_levels = {levels} needs pictures of at least {2**levels} "
                f"pixels, not {self.height} x {self.width}"
            )
        crop = self.evaluation.crop_width
        if crop is not None and not 11 <= crop <= self.width:
            raise ValueError(
                f"evaluation.crop_width = {crop}: must be from 11, SSIM's window, to the width, "
                f"{self.width}"
            )
        if self.evaluation.pose == "silhouettes" and not isinstance(self.source, SyntheticSource):
            raise ValueError("evaluation.pose = 'silhouettes': only the renderer knows them")
        if isinstance(self.source, SyntheticSource) and self.height != 2 * self.width:
            raise ValueError("the renderer draws pictures twice as high as wide")
        return self


class Network(Section):
    system: System
    shared_encoders: bool = False


class Variant(Section):
    network: str
    terms: Literal["l1", "mask-l1", "mask-l1+mask-ssim"]
    mask_weight: Annotated[Float, Field(ge=0)] | None = None
    alpha: Share | None = None  # its own, in place of the common one
    about: str

    @model_validator(mode="after")
    def _weight_has_a_mask(self):
        if (self.mask_weight is None) != (self.terms == "l1"):
            raise ValueError("mask_weight goes with a masked term, and only with one")
        if self.alpha is not None and self.terms != "mask-l1+mask-ssim":
            raise ValueError("alpha weighs two terms: it goes with mask-l1+mask-ssim alone")
        return self

    def description(self, alpha: float) -> str:
        """`about` with the numbers that the run has. alpha: the common one."""
        alpha = alpha if self.alpha is None else self.alpha
        text = self.about.replace("{alpha}", f"{alpha:g}")
        return text.replace("{mask_weight}", f"{self.mask_weight or 0:g}")


class Params(Section):
    datasets: Names
    networks: Names
    variants: Names
    seeds: Annotated[list[Seed], Field(min_length=1)]
    alpha: Share
    device: Annotated[str, Field(pattern=r"^(auto|cpu|mps|cuda(:\d+)?)$")]
    precision: Literal["fp32", "bf16"]
    deterministic: bool
    compile: bool
    workers: Count
    network: dict[Annotated[str, Field(pattern=NAME)], Network]
    variant: dict[Annotated[str, Field(pattern=NAME)], Variant]
    dataset: dict[Annotated[str, Field(pattern=NAME)], Dataset]


class _Loader(yaml.SafeLoader):
    """SafeLoader that refuses a key given twice, where YAML would silently keep the last."""

    def construct_mapping(self, node, deep=False):
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                raise InputError(f"params.yaml: key {key!r} is given twice; keep one")
        return super().construct_mapping(node, deep)


def load(path) -> Params:
    """Read and validate params.yaml as a whole.

    Raises InputError: one line with the key, its value and what is allowed.
    """
    try:
        raw = yaml.load(Path(path).read_text(), _Loader)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 text: save it as UTF-8") from error
    except yaml.YAMLError as error:
        raise InputError(f"{path} is not valid YAML: {' '.join(str(error).split())}") from error
    if not isinstance(raw, dict):
        raise InputError(f"{path} holds no keys: restore it with git checkout {path}")
    try:
        params = Params.model_validate(raw)
    except ValidationError as error:
        raise InputError(_one_line(error)) from None
    _check_together(params)
    return params


def _one_line(error: ValidationError) -> str:
    problem = error.errors()[0]
    key = ".".join(str(part) for part in problem["loc"] if part not in TAGS)
    value, context = problem["input"], problem.get("ctx", {})
    match problem["type"]:
        case "missing":
            return f"params.yaml: {key} is missing"
        case "extra_forbidden":
            *parents, name = problem["loc"]
            known = _keys_at(parents)
            close = difflib.get_close_matches(str(name), known, 1)
            hint = f"did you mean {close[0]}?" if close else f"allowed: {', '.join(known)}"
            return f"params.yaml: {key} = {value!r}: unknown key; {hint}"
        case "literal_error":
            allowed = f"must be {context['expected']}"
        case "string_pattern_mismatch":
            allowed = f"must match {context['pattern']}"
        case "value_error":
            allowed = str(context["error"])
        case _:
            allowed = problem["msg"].removeprefix("Input ")
    shown = "" if isinstance(value, dict) else f" = {value!r}"
    return f"params.yaml: {key}{shown}: {allowed}"


def _keys_at(location: list) -> list[str]:
    """The keys that the schema allows at a place in params.yaml."""
    model: Any = Params
    for part in location:
        if part in TAGS:
            model = TAGS[part]
        elif isinstance(model, type) and issubclass(model, Section):
            names = {field.alias or name: field for name, field in model.model_fields.items()}
            model = names[part].annotation
        else:  # dict[str, Section]: the part is a name
            model = get_args(model)[1]
    return [field.alias or name for name, field in model.model_fields.items()]


def _check_together(params: Params) -> None:
    for key in ("datasets", "networks", "variants"):
        known = getattr(params, key[:-1])
        listed = getattr(params, key)
        for name in listed:
            if name not in known:
                raise InputError(
                    f"params.yaml: {key} = {listed}: unknown {key[:-1]} {name!r}; "
                    f"allowed: {', '.join(known)}"
                )
    for key in ("datasets", "networks", "variants", "seeds"):
        listed = getattr(params, key)
        if len(set(listed)) < len(listed):
            raise InputError(f"params.yaml: {key} = {listed}: names one twice; list each once")
    for name in params.variant:
        if name.startswith("stage1") or name in ROWS:
            raise InputError(
                f"params.yaml: variant.{name}: the table has a row of that name already; choose one"
                f" that does not begin with stage1 and is none of {', '.join(ROWS)}"
            )
    for name in params.variants:
        network = params.variant[name].network
        if network not in params.networks:
            raise InputError(
                f"params.yaml: variant.{name}.network = {network!r}: not trained; add it to "
                f"networks ({params.networks}) or use one of those"
            )
    for name in params.datasets:
        for stage in ("stage1", "stage2"):
            size = getattr(params.dataset[name], stage).batch_size
            if size % params.workers:
                raise InputError(
                    f"params.yaml: workers = {params.workers}: must divide "
                    f"dataset.{name}.{stage}.batch_size = {size}"
                )


def resolve(params: Params) -> dict[str, dict]:
    """What each run depends on, by file name: {"synthetic/stage2-full.json": {...}, ...}.

    DVC compares these files, not params.yaml, so a change re-runs what it can change and no more.
    The code of a run's stage enters by its hashes, systems and readers that parameters name too.
    """
    files: dict[str, dict] = {}
    hardware = {key: getattr(params, key) for key in HARDWARE}
    training = hardware | {"compile": params.compile, "workers": params.workers}

    def run(stage: str, content: dict, *modules: str) -> dict:
        return content | {"code": code.hashes(f"stages.{stage}", *modules)}

    for name in params.datasets:
        dataset = params.dataset[name]
        size = {"height": dataset.height, "width": dataset.width}
        source = dataset.source.model_dump()
        reader = f"vdg.data.{source['reader']}"
        files[f"{name}/download.json"] = run("download", size | {"source": source}, reader)
        # published key points are read, others estimated on a device; a hold-out has one part
        annotations = source.get("annotations", {})
        parts = ["train"] if dataset.poses.split == "hold-out" else ["train", "test"]
        estimated = any(annotations.get(part, "") is None for part in parts)
        device = params.device if estimated else "cpu"
        poses = dataset.poses.model_dump() | {"device": device}
        files[f"{name}/pose-heatmaps.json"] = run("pose_heatmaps", {"poses": poses})
        evaluation = dataset.evaluation.model_dump() | hardware
        systems = {f"vdg.systems.{params.network[key].system}" for key in params.networks}
        files[f"{name}/evaluation.json"] = run("evaluate", evaluation, *sorted(systems))
        # the reference rows know no network, and none of its precision
        references = {key: value for key, value in evaluation.items() if key != "precision"}
        files[f"{name}/references.json"] = run("evaluate", references)
        for key in params.networks:
            network = params.network[key].model_dump()
            settings = {"network": network, "stage1": dataset.stage1.model_dump(), **training}
            system = f"vdg.systems.{network['system']}"
            files[f"{name}/stage1-{key}.json"] = run("train_stage1", settings, system)
        for key in params.variants:
            variant = params.variant[key]
            loss: dict[str, Any] = {"terms": variant.terms}
            if variant.mask_weight is not None:
                loss["mask_weight"] = variant.mask_weight
            if "mask-ssim" in variant.terms:
                loss["alpha"] = params.alpha if variant.alpha is None else variant.alpha
            stage2 = dataset.stage2.model_dump(by_alias=True)
            settings = {"stage2": stage2, "loss": loss, **training}
            system = f"vdg.systems.{params.network[variant.network].system}"
            files[f"{name}/stage2-{key}.json"] = run("train_stage2", settings, system)
            files[f"{name}/network-{key}.json"] = run("assign_stage1", {"network": variant.network})
    report = {
        "datasets": {
            name: {
                "split": params.dataset[name].poses.split,
                "reader": params.dataset[name].source.reader,
                "published": params.dataset[name].published,
                "height": params.dataset[name].height,
                "width": params.dataset[name].width,
            }
            for name in params.datasets
        },
        "networks": params.networks,
        "variants": params.variants,
        "about": {k: params.variant[k].description(params.alpha) for k in params.variants},
        "seeds": params.seeds,
    }
    files["report.json"] = run("ablation_table", report)
    return files
