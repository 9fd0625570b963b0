"""What each run depends on: its settings, and the code that it runs, so that editing either re-runs
that run and no other."""

import ast
import functools
import hashlib
import io
import tokenize
from pathlib import Path
from typing import Any

from vdg.config import Params, Variant
from vdg.data import estimators
from vdg.files import sha256

PROJECT = Path(__file__).parents[2]
SPEAKING = ("src/vdg/cli.py", "src/vdg/errors.py")
"""Modules that speak to the user: no output depends on them."""
DRAWING = ("src/vdg/drawing.py",)
"""Modules that draw what a model generates, on which neither it nor its scores depend."""
HARDWARE = ("device", "threads", "deterministic")


def resolve(params: Params) -> dict[str, dict]:
    """The settings and code of each run, by file name: {"synthetic/stage2-full.json": {...}, ...}.

    DVC compares these files, not params.yaml, so a change re-runs what it can change and no more.
    Raises InputError for settings that a system does not have.
    """
    files: dict[str, dict] = {}
    for name in params.datasets:
        runs = _data(params, name) | _trainings(params, name) | _evaluations(params, name)
        files |= {f"{name}/{run}.json": content for run, content in runs.items()}
    return files | {"report.json": _report(params)}


def _with_code(content: dict, stage: str, *modules: str, without=()) -> dict:
    return content | {"code": hashes(f"stages.{stage}", *modules, without=without)}


def _hardware(params: Params, *more: str) -> dict[str, Any]:
    return {key: getattr(params, key) for key in (*HARDWARE, *more)}


def _data(params: Params, name: str) -> dict[str, dict]:
    dataset = params.dataset[name]
    source = dataset.source.model_dump()
    download = {"height": dataset.height, "width": dataset.width, "source": source}
    # published key points are read, others estimated on a device
    poses = dataset.poses.model_dump() | {"device": params.device if dataset.estimates else "cpu"}
    if dataset.estimates:
        poses["estimator"] = estimators.name()
    return {
        "download": _with_code(download, "download", f"vdg.data.{source['reader']}"),
        "pose-heatmaps": _with_code({"poses": poses}, "pose_heatmaps"),
    }


def _trainings(params: Params, name: str) -> dict[str, dict]:
    files = {}
    hardware = _hardware(params, "precision", "compile", "processes")

    def training(stage: str, system: str, settings: dict) -> dict:
        content = {"system": system, "settings": settings, **hardware}
        return _with_code(content, stage, f"vdg.systems.{system}", without=DRAWING)

    for key in params.networks:
        system = params.system(key)
        files[f"stage1-{key}"] = training("train_stage1", system, params.stage1(key, name))
    for key in params.variants:
        network = params.variant[key].network
        system = params.system(network)
        files[f"stage2-{key}"] = training("train_stage2", system, params.stage2(key, name))
        files[f"network-{key}"] = _with_code({"network": network}, "assign_stage1")
    return files


def _evaluations(params: Params, name: str) -> dict[str, dict]:
    # both FIDs are computed; which one the main table shows is the report's affair
    evaluation = params.dataset[name].evaluation.model_dump(exclude={"fid_reference"})
    evaluation |= _hardware(params)
    if evaluation["pose"] == "keypoints":
        evaluation["estimator"] = estimators.name()
    # the reference rows write no generated images
    references = {key: value for key, value in evaluation.items() if key != "pictures"}
    systems = {f"stage1-{key}": params.system(key) for key in params.networks}
    for key in params.variants:
        systems[key] = params.system(params.variant[key].network)
    files = {"references": _with_code(references, "evaluate", without=DRAWING)}
    for run, system in systems.items():
        module = f"vdg.systems.{system}"
        files[f"evaluation-{run}"] = _with_code(evaluation, "evaluate", module, without=DRAWING)
    return files


def _report(params: Params) -> dict:
    datasets = {}
    for name in params.datasets:
        dataset = params.dataset[name]
        datasets[name] = {
            "split": dataset.poses.split,
            "evaluated": dataset.evaluation.split,
            "fid_reference": dataset.evaluation.fid_reference,
            "rendered": dataset.source.reader == "synthetic",
            "published": dataset.published,
            "height": dataset.height,
            "width": dataset.width,
            "estimator": estimators.name() if dataset.estimates else None,
            "judge": estimators.name() if dataset.evaluation.pose == "keypoints" else None,
        }
    templates = sorted((PROJECT / "src/vdg/report/templates").glob("*"))
    report = {
        "datasets": datasets,
        "rows": rows(params),
        "seeds": params.seeds,
        "templates": {path.name: sha256(path) for path in templates},
    }
    return _with_code(report, "ablation_table")


def rows(params: Params) -> list[dict]:
    """The rows of the table that are trained, in its order."""
    found = []
    refined = [key for key in params.networks if params.refined(key)]
    for key in params.networks:
        network, coarse = params.network[key], key in refined
        row = ("stage1" if key == refined[0] else f"stage1-{key}") if coarse else key
        about = network.about or (f"coarse prediction of {key}" if coarse else key)
        found.append(_row(row, f"stage1-{key}", network, None if coarse else network.paper, about))
        found[-1]["coarse"] = coarse
    for key in params.variants:
        variant = params.variant[key]
        network = params.network[variant.network]
        about = variant.about or _describe(params, key)
        found.append(_row(key, key, network, variant.paper, about))
    return found


def _row(name: str, run: str, network, paper: str | None, about: str) -> dict:
    return {
        "name": name,
        "run": run,
        "kind": network.kind,
        "coarse": False,
        "paper": paper,
        "about": about,
    }


def _describe(params: Params, key: str) -> str:
    """A variant from its numbers; on each data set, where they are not the same."""
    variant = params.variant[key]
    texts: dict[str, list[str]] = {}
    for name in params.datasets:
        texts.setdefault(_numbers(variant, params.stage2(key, name)), []).append(name)
    if len(texts) == 1:
        return next(iter(texts))
    return "; ".join(f"{', '.join(names)}: {text}" for text, names in texts.items())


def _numbers(variant: Variant, settings: dict) -> str:
    """What L_img is, from its numbers, and what else the variant changes."""
    alpha, w = settings.get("alpha"), settings.get("mask_weight")
    text = "refinement"
    if alpha is not None and w is not None:
        weight = {0: "no mask", 1: "mask (1 + M_b)"}.get(w, f"mask (1 + {w:g} M_b)")
        terms = f"{alpha:g} SSIM + {1 - alpha:g} L1" if alpha else "L1"
        text = f"{terms}, {weight}"
    others = {k: v for k, v in variant.settings.items() if k not in ("alpha", "mask_weight")}
    return ", ".join([text, *(f"{key} = {value}" for key, value in others.items())])


# --- code -----------------------------------------------------------------------------------------


def hashes(*modules: str, without: tuple[str, ...] = ()) -> dict[str, str]:
    """The files of these modules and of the project's modules they import: path -> SHA-256.

    modules: dotted names, such as "stages.train_stage1". What a module imports by a name that it
    computes cannot be seen here and has to be listed. without: paths to leave out.
    Hashed is the code without comments and docstrings: prose can be mended on any day.
    """
    waiting, found = [_file(module) for module in modules], {}
    while waiting:
        file = waiting.pop()
        name = file.relative_to(PROJECT).as_posix()
        if name in SPEAKING or name in without or name in found:
            continue
        text = file.read_bytes()
        found[name] = hashlib.sha256(_code(text)).hexdigest()
        waiting += filter(None, map(_file, _imported(text)))
    return dict(sorted(found.items()))


@functools.cache
def _code(text: bytes) -> bytes:
    """A source text without comments, docstrings and blank lines.

    Cut out of the text, not printed from the tree, whose printing differs between Pythons.
    """
    lines = text.decode().split("\n")
    for token in reversed(list(tokenize.tokenize(io.BytesIO(text).readline))):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column]
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            for row in range(node.lineno - 1, node.end_lineno):
                lines[row] = ""
    return "\n".join(line.rstrip() for line in lines if line.strip()).encode()


def _file(module: str) -> Path | None:
    """The source of one of the project's modules; None for what is not a module of it."""
    top, *inner = module.split(".")
    if top not in ("stages", "vdg"):
        return None
    base = Path(PROJECT / "src" if top == "vdg" else PROJECT, top, *inner)
    files = (base.with_suffix(".py"), base / "__init__.py")
    return next((file for file in files if file.is_file()), None)


@functools.cache
def _imported(text: bytes) -> list[str]:
    """Dotted names that a source text imports from the project."""
    names = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            inner = [f"{node.module}.{alias.name}" for alias in node.names]
            # `from vdg import systems` names a module, `from vdg.files import sha256` its content
            names += [name if _file(name) else node.module for name in inner]
    return names
