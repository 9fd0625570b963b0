"""Score the rows of the table: a trained model's images, and references that need no network."""

from pathlib import Path

import numpy as np
import pandas as pd
import torch

from vdg import estimators, systems
from vdg.data.batches import PairData, load_pairs
from vdg.evaluation import pose_metrics
from vdg.evaluation.pairs import EvalPairs, generate
from vdg.evaluation.pictures import write_pictures
from vdg.files import read_arrays, write_arrays, write_bytes, write_json
from vdg.large_arrays import CHUNK, Array, Computed, taken
from vdg.layout import REFERENCES
from vdg.metrics import classifiers, perceptual
from vdg.metrics.fid import Statistics, statistics
from vdg.metrics.perceptual import Perceptual
from vdg.metrics.pose_accuracy import train_segmenter
from vdg.metrics.scorer import FLOOR_MASKS, Scorer, noise_floor
from vdg.runtime import provenance, select_device, set_up
from vdg.settings import EvaluationConfig
from vdg.views import pose_distance, views

STATISTICS = "statistics.safetensors"


def references(config: EvaluationConfig, data: Path, output: Path) -> None:
    """Score the reference rows: real target, copy of the source, mean training image.

    config: configs/<dataset>/references.json. Writes one JSON and one CSV per row to `output`, and
    the samples of the real targets and the references of FID, which the other rows use.
    """
    device = _start(config)
    evaluated, train = load_pairs(data, [config.split, "train"], device)
    pairs = EvalPairs(evaluated, config)
    targets = pairs.images(1)
    trained_on = train.pairs.unique().numpy()
    if config.pose == "silhouettes":
        silhouettes = pose_metrics.silhouettes_of(data, train)
        images, bodies = (taken(array, trained_on) for array in (train.images, silhouettes))
        pose_metrics.save_segmenter(output, train_segmenter(images, bodies, device))
    scorer = _scorer(config, data, pairs, output)
    kept = _not_evaluated(train, evaluated)
    scorer.references["train_fid"] = statistics(scorer.features(train.images)[kept])
    mean = _mean(taken(train.images, trained_on))
    mean_image = Computed(targets.shape, lambda which: np.repeat(mean[None], len(which), 0))
    floor = noise_floor(scorer.masks, FLOOR_MASKS)
    for name, images in zip(REFERENCES, (targets, pairs.images(0), mean_image), strict=True):
        _write(output, name, scorer, images, pairs, {"mask_ssim_floor": floor})
    write_arrays(output / "samples.safetensors", pairs.examples(pairs.shown))
    arrays = {
        f"{name}.{key}": array
        for name, reference in scorer.references.items()
        for key, array in reference._asdict().items()
    }
    write_arrays(output / STATISTICS, arrays)


def evaluate(
    config: EvaluationConfig,
    data: Path,
    model: Path,
    references: Path,
    output: Path,
    pictures: Path | None = None,
) -> None:
    """Generate the test pairs with a trained model and score them as the reference rows.

    pictures: a folder for all generated images; None writes none.
    """
    device = _start(config)
    generator, meta = systems.load(model, device)
    (evaluated,) = load_pairs(data, [config.split], device)
    pairs = EvalPairs(evaluated, config)
    scorer = _scorer(config, data, pairs, references, _read_statistics(references))
    generated = generate(generator, pairs)
    parameters = sum(p.numel() for p in generator.parameters())
    about = meta | {"parameters": parameters} | provenance(device, config)
    table = _write(output, "scores", scorer, generated, pairs, about)
    write_arrays(output / "samples.safetensors", {"generated": generated[pairs.shown]})
    selected = extremes(table["mask_ssim"].to_numpy())
    examples = pairs.examples(selected) | {"generated": generated[selected]}
    write_arrays(output / "extremes.safetensors", examples)
    if pictures:
        write_pictures(pictures, pairs, generated)


def _mean(images: Array) -> np.ndarray:
    """The mean of uint8 images (N, H, W, 3), rounded: uint8 (H, W, 3)."""
    starts = range(0, len(images), CHUNK)
    total = sum(images[i : i + CHUNK].sum(0, dtype=np.int64) for i in starts)
    return (torch.as_tensor(total) / len(images)).round().to(torch.uint8).numpy()


def extremes(scores: np.ndarray) -> np.ndarray:
    """Positions of the best, the median and the worst score; ties keep list order."""
    order = np.argsort(-scores, kind="stable")
    return order[[0, len(order) // 2, -1]]


def _start(config: EvaluationConfig) -> torch.device:
    """The device of the scoring. Raises InputError if weights are missing, before any work."""
    classifiers.check_available(config.classifier)
    if config.lpips:
        perceptual.check_available()
    if config.pose == "keypoints":
        estimators.require(config.estimator)
    set_up(0, config.deterministic, config.threads)
    return select_device(config.device)


def _scorer(
    config: EvaluationConfig,
    data: Path,
    pairs: EvalPairs,
    references: Path,
    known: dict[str, Statistics] | None = None,
) -> Scorer:
    """The scorer of a data set's evaluation. known: references of FID that were computed before."""
    device = pairs.data.device
    return Scorer(
        pairs.images(1),
        pairs.masks(),
        classifiers.load(config.classifier, device),
        config.crop_width,
        pose_metrics.load(config.pose, data, pairs, references),
        known,
        Perceptual(device) if config.lpips else None,
        config.pad_width,
    )


def _not_evaluated(train: PairData, evaluated: PairData) -> np.ndarray:
    """bool (N,): the images of the training part, without those of evaluated identities, which it
    also holds in a hold-out."""
    identities = np.array(train.identities)
    if train.part != evaluated.part:
        return np.ones(len(identities), bool)
    return ~np.isin(identities, identities[evaluated.pairs.unique()])


def _read_statistics(references: Path) -> dict[str, Statistics]:
    arrays, _ = read_arrays(references / STATISTICS)
    names = {key.partition(".")[0] for key in arrays}
    return {
        name: Statistics(*(arrays[f"{name}.{field}"] for field in Statistics._fields))
        for name in sorted(names)
    }


def _write(
    output: Path, name: str, scorer: Scorer, images: Array, pairs: EvalPairs, about: dict
) -> pd.DataFrame:
    metrics, table = scorer(images)
    names, joints = np.array(pairs.data.names), pairs.data.keypoints.cpu().numpy()
    identities = np.array(pairs.data.identities)
    seen = views(joints)[pairs.positions]
    moved = pose_distance(*joints[pairs.positions.T.numpy()]) / pairs.data.height
    table.insert(0, "pose_distance", moved)
    table.insert(0, "views", [f"{source} → {target}" for source, target in seen])
    table.insert(0, "identity", identities[pairs.positions[:, 1]])
    table.insert(0, "to", names[pairs.positions[:, 1]])
    table.insert(0, "from", names[pairs.positions[:, 0]])
    scores = {"metrics": metrics, "pairs": len(table), "classifier": scorer.classifier.name}
    write_json(output / f"{name}.json", scores | {"about": about})
    text = table.to_csv(index=False, float_format="%.6f")
    write_bytes(output / f"{name}.csv", text.encode("utf-8", "surrogateescape"))
    return table
