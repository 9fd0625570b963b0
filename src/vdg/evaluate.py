"""Generate the test pairs' images and score them, beside rows that need no network."""

from pathlib import Path

import numpy as np
import pandas as pd
import torch
from tqdm import tqdm

from vdg import systems
from vdg.data import estimators
from vdg.data.batches import PairData, load_pairs, to_uint8
from vdg.data.pairs import draw_pairs
from vdg.data.silhouettes import read_silhouettes
from vdg.errors import InputError
from vdg.files import read_arrays, write_arrays, write_bytes, write_json
from vdg.metrics import classifiers, perceptual
from vdg.metrics.perceptual import Perceptual
from vdg.metrics.pose import KeyPointJudge, Segmenter, SilhouetteJudge, train_segmenter
from vdg.metrics.scorer import FLOOR_MASKS, Scorer, noise_floor
from vdg.pose import pose_distance, views
from vdg.runtime import provenance, select_device, set_up

BATCH = 50
SEGMENTER = "segmenter.safetensors"
SHOWN = 10  # pairs of the qualitative grid, evenly spaced in the test list


class TestPairs:
    """The test list of a data set: positions, source and target pictures, target masks."""

    __test__ = False  # for pytest, which takes the name for a test's

    def __init__(self, data: Path, count: int, device: torch.device):
        self.data: PairData = load_pairs(data, "test", device)
        drawn = draw_pairs(self.data.pairs.numpy(), count)
        self.pairs = torch.as_tensor(drawn)
        if len(drawn) < 10:
            raise InputError(
                f"{data} has {len(drawn)} test pairs, fewer than the ten splits of IS need"
            )
        if len(drawn) < count:
            print(f"the data set has {len(drawn)} test pairs, fewer than the {count} asked for")

    def pictures(self, side: int, which=slice(None)) -> np.ndarray:
        """uint8 (N, H, W, 3): the sources (side 0) or the targets (side 1) of some pairs."""
        return self.data.images[self.pairs[which, side].to(self.data.device)].cpu().numpy()

    def masks(self) -> np.ndarray:
        """bool (N, H, W): the targets' pose masks M_b."""
        return self.data.masks[self.pairs[:, 1].to(self.data.device)].cpu().numpy()

    @property
    def shown(self) -> np.ndarray:
        return np.linspace(0, len(self.pairs) - 1, SHOWN).astype(int)

    def examples(self, which: np.ndarray) -> dict[str, np.ndarray]:
        """Source, target and the target's key points of some pairs."""
        joints = self.data.keypoints[self.pairs[which, 1].to(self.data.device)].cpu().numpy()
        source, target = (self.pictures(side, which) for side in (0, 1))
        return {"source": source, "target": target, "keypoints": joints}


def _start(config: dict) -> torch.device:
    """The device to score on; refuses to start what would end for want of some weights."""
    classifiers.check_available(config["classifier"])
    if config["lpips"]:
        perceptual.check_available()
    set_up(0, config["deterministic"])
    return select_device(config["device"])


def _scorer(config: dict, data: Path, test: TestPairs, references: Path, real=None) -> Scorer:
    """The scorer that a data set's evaluation asks for. real: features of the targets, if known."""
    device = test.data.device
    return Scorer(
        test.pictures(1),
        test.masks(),
        classifiers.load(config["classifier"], device),
        config["crop_width"],
        _judge(config["pose"], data, test, references),
        real,
        Perceptual(device) if config["lpips"] else None,
    )


def references(config: dict, data: Path, output: Path) -> None:
    """Score the rows that need no network: real target, copy of the source, mean training image.

    config: configs/<dataset>/references.json. Writes to `output` one JSON and one CSV per row, and
    what the other rows need of the real targets.
    """
    device = _start(config)
    test = TestPairs(data, config["pairs"], device)
    targets = test.pictures(1)
    train = load_pairs(data, "train", device)
    pictures = train.pairs.unique().to(train.device)
    if config["pose"] == "silhouettes":
        shapes = _silhouettes(data, train)[pictures]
        _save_segmenter(output, train_segmenter(train.images[pictures], shapes))
    scorer = _scorer(config, data, test, output)
    total = sum(train.images[chunk].long().sum(0) for chunk in pictures.split(256))
    mean = (total / len(pictures)).round().to(torch.uint8).cpu().numpy()
    rows = {
        "real": targets,
        "copy-source": test.pictures(0),
        "mean-image": np.broadcast_to(mean, targets.shape),
    }
    floor = noise_floor(scorer.masks[:FLOOR_MASKS])
    for name, images in rows.items():
        about = {"mask_ssim_floor": floor}
        _write(output, name, scorer, np.ascontiguousarray(images), test, about)
    write_arrays(output / "samples.safetensors", test.examples(test.shown))
    write_arrays(output / "features.safetensors", {"real": scorer.real_features})


def evaluate(config: dict, data: Path, model: Path, references: Path, output: Path) -> None:
    """Generate the test pairs with a trained model and score them like the reference rows."""
    device = _start(config)
    generator, meta = systems.load(model, device)
    test = TestPairs(data, config["pairs"], device)
    real = read_arrays(references / "features.safetensors")[0]["real"]
    scorer = _scorer(config, data, test, references, real)
    generated = generate(generator, test, config["precision"])
    parameters = sum(p.numel() for p in generator.parameters())
    about = meta | {"parameters": parameters} | provenance(device, config)
    table = _write(output, "scores", scorer, generated, test, about)
    write_arrays(output / "samples.safetensors", {"generated": generated[test.shown]})
    picked = extremes(table["mask_ssim"].to_numpy())
    found = test.examples(picked) | {"generated": generated[picked]}
    write_arrays(output / "extremes.safetensors", found)


def extremes(scores: np.ndarray) -> np.ndarray:
    """Positions of the best, the median and the worst score; of equal ones the first."""
    order = np.argsort(-scores, kind="stable")
    return order[[0, len(order) // 2, -1]]


def _judge(kind: str | None, data: Path, test: TestPairs, references: Path):
    """The judge of the pose that a data set's evaluation asks for, or None."""
    device, targets = test.data.device, test.pairs[:, 1].to(test.data.device)
    if kind == "silhouettes":
        network = Segmenter().to(device, memory_format=torch.channels_last)
        network.load_state_dict(read_arrays(references / SEGMENTER, "pt")[0])
        return SilhouetteJudge(network.eval(), _silhouettes(data, test.data)[targets])
    if kind == "keypoints":
        estimate = estimators.load(test.data.height, test.data.width, device)
        return KeyPointJudge(estimate, test.data.keypoints[targets].cpu().numpy())
    return None


def _silhouettes(data: Path, pictures: PairData) -> torch.Tensor:
    """The silhouettes of a data set's pictures, in their order: bool (N, H, W)."""
    names, silhouettes = read_silhouettes(
        data / "download" / f"silhouettes-{pictures.part}.safetensors"
    )
    position = {name: i for i, name in enumerate(names)}
    order = [position[name] for name in pictures.names]
    return torch.as_tensor(silhouettes[order]).to(pictures.device)


def _save_segmenter(folder: Path, network: Segmenter) -> None:
    state = {k: v.cpu().numpy() for k, v in network.state_dict().items()}
    write_arrays(folder / SEGMENTER, state)


@torch.inference_mode()
def generate(generator, test: TestPairs, precision: str = "fp32") -> np.ndarray:
    """The generated images of a test list: uint8 (N, H, W, 3)."""
    images = []
    autocast = torch.autocast(test.data.device.type, torch.bfloat16, enabled=precision == "bf16")
    for pairs in tqdm(test.pairs.split(BATCH), desc="generate", unit="batch", disable=None):
        batch = test.data.batch(pairs)
        with autocast:
            images.append(to_uint8(generator(batch.I_a, batch.P_a, batch.P_b)))
    return np.concatenate(images)


def _write(
    output: Path, name: str, scorer: Scorer, images, test: TestPairs, about: dict
) -> pd.DataFrame:
    figures, table = scorer(images)
    names, joints = np.array(test.data.names), test.data.keypoints.cpu().numpy()
    seen = views(joints)[test.pairs]
    moved = pose_distance(*joints[test.pairs.T.numpy()]) / test.data.height
    table.insert(0, "pose_distance", moved)
    table.insert(0, "views", [f"{source} → {target}" for source, target in seen])
    table.insert(0, "to", names[test.pairs[:, 1]])
    table.insert(0, "from", names[test.pairs[:, 0]])
    scores = {"metrics": figures, "pairs": len(table), "classifier": scorer.classifier.name}
    write_json(output / f"{name}.json", scores | {"about": about})
    write_bytes(output / f"{name}.csv", table.to_csv(index=False, float_format="%.6f").encode())
    return table
