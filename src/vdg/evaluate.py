"""Generate the images of the test pairs and score them; score reference rows without a network."""

from pathlib import Path

import numpy as np
import pandas as pd
import torch
from PIL import Image
from tqdm import tqdm

from vdg import systems
from vdg.data import estimators, folders
from vdg.data.annotations import PAIRS_HEADER
from vdg.data.batches import PairData, load_pairs, to_uint8
from vdg.data.pairs import draw_pairs
from vdg.data.silhouettes import read_silhouettes
from vdg.drawing import skeleton
from vdg.errors import InputError
from vdg.files import read_arrays, replacing_folder, write_arrays, write_bytes, write_json
from vdg.metrics import classifiers, perceptual
from vdg.metrics.fid import Statistics, statistics
from vdg.metrics.perceptual import Perceptual
from vdg.metrics.pose import (
    KeypointAccuracy,
    PoseMetric,
    Segmenter,
    SilhouetteIoU,
    train_segmenter,
)
from vdg.metrics.scorer import FLOOR_MASKS, Scorer, noise_floor
from vdg.pose import pose_distance, views
from vdg.runtime import provenance, select_device, set_up

BATCH = 50
SEGMENTER, STATISTICS = "segmenter.safetensors", "statistics.safetensors"
SHOWN = 10  # pairs in the qualitative grid, evenly spaced in the test list


class EvalPairs:
    """The evaluation pairs: positions, source and target images, target masks."""

    def __init__(self, data: PairData, config: dict):
        split, count = config["split"], config["pairs"]
        self.data = data
        drawn = draw_pairs(data.pairs.numpy(), count)
        self.positions = torch.as_tensor(drawn)
        if len(drawn) < 10:
            raise InputError(
                f"the data set has {len(drawn)} {split} pairs, fewer than the ten splits of IS need"
            )
        if len(drawn) < count:
            print(f"the data set has {len(drawn)} {split} pairs, fewer than the {count} configured")

    def images(self, side: int, which=slice(None)) -> np.ndarray:
        """uint8 (N, H, W, 3): the sources (side 0) or targets (side 1) of the pairs `which`."""
        return self.data.images[self.positions[which, side].to(self.data.device)].cpu().numpy()

    def masks(self) -> np.ndarray:
        """bool (N, H, W): the targets' pose masks M_b."""
        return self.data.masks[self.positions[:, 1].to(self.data.device)].cpu().numpy()

    @property
    def shown(self) -> np.ndarray:
        return np.linspace(0, len(self.positions) - 1, SHOWN).astype(int)

    def examples(self, which: np.ndarray) -> dict[str, np.ndarray]:
        """Source image, target image and target key points of the pairs `which`."""
        joints = self.data.keypoints[self.positions[which, 1].to(self.data.device)].cpu().numpy()
        source, target = (self.images(side, which) for side in (0, 1))
        return {"source": source, "target": target, "keypoints": joints}


def _start(config: dict) -> torch.device:
    """The device of the scoring. Raises InputError if weights are missing, before any work."""
    classifiers.check_available(config["classifier"])
    if config["lpips"]:
        perceptual.check_available()
    if config["pose"] == "keypoints":
        estimators.require(config["estimator"])
    set_up(0, config["deterministic"], config["threads"])
    return select_device(config["device"])


def _scorer(
    config: dict,
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
        classifiers.load(config["classifier"], device),
        config["crop_width"],
        _pose_metric(config["pose"], data, pairs, references),
        known,
        Perceptual(device) if config["lpips"] else None,
        config["pad_width"],
    )


def references(config: dict, data: Path, output: Path) -> None:
    """Score the reference rows: real target, copy of the source, mean training image.

    config: configs/<dataset>/references.json. Writes one JSON and one CSV per row to `output`, and
    the samples of the real targets and the references of FID, which the other rows use.
    """
    device = _start(config)
    evaluated, train = load_pairs(data, [config["split"], "train"], device)
    pairs = EvalPairs(evaluated, config)
    targets = pairs.images(1)
    trained_on = train.pairs.unique().to(train.device)
    if config["pose"] == "silhouettes":
        silhouettes = _silhouettes(data, train)[trained_on]
        _save_segmenter(output, train_segmenter(train.images[trained_on], silhouettes))
    scorer = _scorer(config, data, pairs, output)
    features = scorer.features(train.images)[_not_evaluated(train, evaluated)]
    scorer.references["train_fid"] = statistics(features)
    total = sum(train.images[chunk].long().sum(0) for chunk in trained_on.split(256))
    mean = (total / len(trained_on)).round().to(torch.uint8).cpu().numpy()
    rows = {
        "real": targets,
        "copy-source": pairs.images(0),
        "mean-image": np.broadcast_to(mean, targets.shape),
    }
    floor = noise_floor(scorer.masks[:FLOOR_MASKS])
    for name, images in rows.items():
        about = {"mask_ssim_floor": floor}
        _write(output, name, scorer, np.ascontiguousarray(images), pairs, about)
    write_arrays(output / "samples.safetensors", pairs.examples(pairs.shown))
    arrays = {
        f"{name}.{key}": array
        for name, reference in scorer.references.items()
        for key, array in reference._asdict().items()
    }
    write_arrays(output / STATISTICS, arrays)


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


def evaluate(
    config: dict,
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
    (evaluated,) = load_pairs(data, [config["split"]], device)
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


def pictures(config: dict, data: Path, model: Path, output: Path) -> None:
    """Generate the test pairs with a trained model and write them as `write_pictures` does."""
    set_up(0, config["deterministic"], config["threads"])
    device = select_device(config["device"])
    generator, _ = systems.load(model, device)
    (evaluated,) = load_pairs(data, [config["split"]], device)
    pairs = EvalPairs(evaluated, config)
    write_pictures(output, pairs, generate(generator, pairs))


def write_pictures(folder: Path, pairs: EvalPairs, generated: np.ndarray) -> None:
    """Write generated images (N, H, W, 3) under the field's names, in place of `folder`.

    generated/SOURCE__TARGET.png: the image alone. target/: the real one, of the same name.
    strips/SOURCE___TARGET_vis.png: source, its pose, target, its pose and generated image side by
    side, as PATN's code writes and reads them. pairs.csv: the list, in its order.
    """
    names, joints = pairs.data.names, pairs.data.keypoints.cpu().numpy()
    rows = [PAIRS_HEADER]
    with replacing_folder(folder) as new:
        for kind in ("generated", "target", "strips"):
            (new / kind).mkdir()
        for i, (a, b) in enumerate(tqdm(pairs.positions.tolist(), desc="write", disable=None)):
            source, target = (pairs.images(side, [i])[0] for side in (0, 1))
            poses = [skeleton(joints[j], np.zeros_like(source)) for j in (a, b)]
            strip = np.hstack([source, poses[0], target, poses[1], generated[i]])
            name = folders.pair_name(names[a], names[b])
            for path, image in (
                (new / "generated" / f"{name}.png", generated[i]),
                (new / "target" / f"{name}.png", target),
                (new / "strips" / f"{folders.strip_name(names[a], names[b])}.png", strip),
            ):
                Image.fromarray(image).save(path)
            rows.append(f"{names[a]},{names[b]}")
        text = "\n".join(rows) + "\n"
        (new / "pairs.csv").write_bytes(text.encode("utf-8", "surrogateescape"))


def extremes(scores: np.ndarray) -> np.ndarray:
    """Positions of the best, the median and the worst score; ties keep list order."""
    order = np.argsort(-scores, kind="stable")
    return order[[0, len(order) // 2, -1]]


def _pose_metric(
    kind: str | None, data: Path, pairs: EvalPairs, references: Path
) -> PoseMetric | None:
    """The pose metric of a data set's evaluation, or None."""
    device, targets = pairs.data.device, pairs.positions[:, 1].to(pairs.data.device)
    if kind == "silhouettes":
        network = Segmenter().to(device, memory_format=torch.channels_last)
        network.load_state_dict(read_arrays(references / SEGMENTER, "pt")[0])
        return SilhouetteIoU(network.eval(), _silhouettes(data, pairs.data)[targets])
    if kind == "keypoints":
        estimate = estimators.load(pairs.data.height, pairs.data.width, device)
        return KeypointAccuracy(estimate, pairs.data.keypoints[targets].cpu().numpy())
    return None


def _silhouettes(data: Path, pairs: PairData) -> torch.Tensor:
    """The silhouettes of the images, in their order: bool (N, H, W)."""
    path = data / "download" / f"silhouettes-{pairs.part}.safetensors"
    names, silhouettes = read_silhouettes(path)
    position = {name: i for i, name in enumerate(names)}
    order = [position[name] for name in pairs.names]
    return torch.as_tensor(silhouettes[order]).to(pairs.device)


def _save_segmenter(folder: Path, network: Segmenter) -> None:
    state = {k: v.cpu().numpy() for k, v in network.state_dict().items()}
    write_arrays(folder / SEGMENTER, state)


@torch.inference_mode()
def generate(generator, pairs: EvalPairs) -> np.ndarray:
    """The generated images of a test list: uint8 (N, H, W, 3).

    In float32 whatever the training used: generating is cheap, and scores then do not depend on it.
    """
    images = []
    for chunk in tqdm(pairs.positions.split(BATCH), desc="generate", unit="batch", disable=None):
        batch = pairs.data.batch(chunk)
        images.append(to_uint8(generator(batch.I_a, batch.K_a, batch.K_b)))
    return np.concatenate(images)


def _write(
    output: Path, name: str, scorer: Scorer, images, pairs: EvalPairs, about: dict
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
