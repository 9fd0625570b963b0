"""What each run depends on: its settings, and the code that it runs, so that editing either re-runs
that run and no other."""

from typing import Any

from vdg import estimators
from vdg.code import DRAWING, WATCHING
from vdg.config import Params, Variant
from vdg.plan import Reach, Run, hashed
from vdg.settings import TrainingSettings
from vdg.systems import module_name

HARDWARE = ("device", "threads", "deterministic")


def resolve(params: Params) -> dict[str, dict]:
    """The settings and code of each run, by file name: {"synthetic/stage2-full.json": {...}, ...}.

    DVC compares these files, not params.yaml, so a change re-runs what it can change and no more.
    Raises InputError for settings that a system does not have.
    """
    return hashed(runs(params))


def runs(params: Params) -> dict[str, Run]:
    """The settings of each run and what it reaches of the code, by file name."""
    files: dict[str, Run] = {}
    for name in params.datasets:
        of_name = _data(params, name) | _trainings(params, name) | _evaluations(params, name)
        files |= {f"{name}/{key}.json": run for key, run in of_name.items()}
    return files | {"report.json": _report(params)}


def _run(settings: dict, stage: str, *modules: str, without=()) -> Run:
    return Run(settings, [Reach([f"stages.{stage}", *modules], list(without))])


def _hardware(params: Params, *more: str) -> dict[str, Any]:
    return {key: getattr(params, key) for key in (*HARDWARE, *more)}


def _data(params: Params, name: str) -> dict[str, Run]:
    dataset = params.dataset[name]
    source = dataset.source.model_dump()
    download = {"height": dataset.height, "width": dataset.width, "source": source}
    # published key points are read, others estimated on a device
    poses = dataset.poses.model_dump() | {"device": params.device if dataset.estimates else "cpu"}
    if dataset.estimates:
        poses["estimator"] = estimators.name()
    return {
        "download": _run(download, "download", f"vdg.data.{source['reader']}"),
        "pose-heatmaps": _run({"poses": poses}, "pose_heatmaps"),
    }


def _trainings(params: Params, name: str) -> dict[str, Run]:
    files = {}
    hardware = _hardware(params, "precision", "processes", "images_on_device")

    def training(number: int, system: str, settings: TrainingSettings) -> Run:
        content = {"system": system, "settings": settings.model_dump(mode="json"), **hardware}
        # what the loop prints of a metric is no reason to train again; a loss that uses it is
        loop = Reach([f"stages.train_stage{number}"], [*DRAWING, *WATCHING])
        own = Reach([module_name(system, f"stage{number}")], [*DRAWING])
        return Run(content, [loop, own])

    for key in params.networks:
        system = params.system(key)
        files[f"stage1-{key}"] = training(1, system, params.stage1(key, name))
    for key in params.variants:
        network = params.variant[key].network
        system = params.system(network)
        files[f"stage2-{key}"] = training(2, system, params.stage2(key, name))
        files[f"network-{key}"] = _run({"network": network}, "assign_stage1")
    return files


def _evaluations(params: Params, name: str) -> dict[str, Run]:
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
    files = {"references": _run(references, "evaluate", without=DRAWING)}
    for run, system in systems.items():
        module = module_name(system, "stage1" if run.startswith("stage1-") else "stage2")
        files[f"evaluation-{run}"] = _run(evaluation, "evaluate", module, without=DRAWING)
    return files


def _report(params: Params) -> Run:
    datasets = {}
    for name in params.datasets:
        dataset = params.dataset[name]
        datasets[name] = {
            "split": dataset.poses.split,
            "evaluated": dataset.evaluation.split,
            "fid_reference": dataset.evaluation.fid_reference,
            "rendered": dataset.rendered,
            "published": dataset.published,
            "height": dataset.height,
            "width": dataset.width,
            "estimator": estimators.name() if dataset.estimates else None,
            "judge": estimators.name() if dataset.evaluation.pose == "keypoints" else None,
        }
    report = {
        "datasets": datasets,
        "rows": rows(params),
        "seeds": params.seeds,
    }
    return _run(report, "ablation_table")


def rows(params: Params) -> list[dict]:
    """The rows of the table that are trained, in its order."""
    listed = []
    refined = [key for key in params.networks if params.refined(key)]
    for key in params.networks:
        network, coarse = params.network[key], key in refined
        row = ("stage1" if key == refined[0] else f"stage1-{key}") if coarse else key
        about = network.about or (f"coarse prediction of {key}" if coarse else key)
        listed.append(_row(row, f"stage1-{key}", network, None if coarse else network.paper, about))
        listed[-1]["coarse"] = coarse
    for key in params.variants:
        variant = params.variant[key]
        network = params.network[variant.network]
        about = variant.about or _describe(params, key)
        listed.append(_row(key, key, network, variant.paper, about))
    return listed


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


def _numbers(variant: Variant, settings: TrainingSettings) -> str:
    """What L_img is, from its numbers, and what else the variant changes."""
    alpha, w = (getattr(settings, key, None) for key in ("alpha", "mask_weight"))
    text = "refinement"
    if alpha is not None and w is not None:
        weight = {0: "no mask", 1: "mask (1 + M_b)"}.get(w, f"mask (1 + {w:g} M_b)")
        terms = f"{alpha:g} SSIM + {1 - alpha:g} L1" if alpha else "L1"
        text = f"{terms}, {weight}"
    others = {k: v for k, v in variant.settings.items() if k not in ("alpha", "mask_weight")}
    return ", ".join([text, *(f"{key} = {value}" for key, value in others.items())])
