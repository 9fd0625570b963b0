"""Scores and losses of a finished pipeline, with known values."""

from pathlib import Path

import numpy as np
import pandas as pd

from vdg.files import write_arrays, write_json
from vdg.report.inputs import REFERENCES, Config, read_config

PAIRS, HEIGHT, WIDTH, STEPS = 200, 64, 32, 40
STAND_IN = "EfficientNet-Lite0"
SUFFIX = "_efficientnet_lite0"
MACHINE = {"seed": 0, "device": "cpu", "mode": "fp32, deterministic", "versions": "torch"}
SETTINGS = {"steps": STEPS, "batch_size": 2, "learning_rate": 0.001, "size": [HEIGHT, WIDTH]}


def row(name: str, **keys) -> dict:
    """A row of configs/report.json; its kind is "ours" by default."""
    base = {"name": name, "run": name, "kind": "ours", "coarse": False, "about": "", "paper": None}
    return base | keys


def coarse(name: str = "stage1", **keys) -> dict:
    return row(name, **{"run": "stage1-vdg", "coarse": True} | keys)


class Scored:
    """A folder with configs/report.json, scores/ and losses/ of one data set."""

    def __init__(self, root: Path, rows: list[dict], seeds=(0,), classifier=STAND_IN, **dataset):
        self.root, self.classifier = root, classifier
        self.suffix = SUFFIX if classifier == STAND_IN else ""
        self.scores, self.losses = root / "scores", root / "losses"
        self.settings = {
            "split": "official",
            "evaluated": "test",
            "rendered": True,
            "published": None,
            "height": HEIGHT,
            "width": WIDTH,
        } | dataset
        self.rows, self.seeds = rows, list(seeds)
        random = np.random.default_rng(0)
        references = self.scores / "data" / "references"
        for name in REFERENCES:
            about = {"mask_ssim_floor": 0.5}
            self._scores(references / name, random.uniform(0.2, 0.3, PAIRS), about)
        self._samples(references / "samples.safetensors", 10, "source", "target")
        for entry in rows:
            for seed in self.seeds:
                self.run(entry["run"], seed, np.full(PAIRS, 0.4), stage2=not entry["coarse"])
        self.configure()

    def configure(self, **changes) -> Config:
        """Write configs/report.json, and read it."""
        config = {"datasets": {"data": self.settings}, "rows": self.rows, "seeds": self.seeds}
        write_json(self.root / "configs" / "report.json", config | changes)
        return read_config(self.root / "configs" / "report.json")

    def run(self, name, seed, ssim, stage1=None, stage2=True, system="vdg", about=None, **metrics):
        """Write the scores, samples and losses of a run. ssim: of each pair."""
        stage1 = SETTINGS | (stage1 or {})
        training = {"system": system, "stage1": stage1, "stage2": None, "parameters": 1000}
        if stage2:
            training["stage2"] = SETTINGS | (stage2 if isinstance(stage2, dict) else {})
        training |= {"run": MACHINE} | (about or {})
        folder = self.scores / "data" / f"{name}-{seed}"
        self._scores(folder / "scores", ssim, training, **metrics)
        self._samples(folder / "samples.safetensors", 10, "generated")
        self._samples(folder / "extremes.safetensors", 3, "source", "target", "generated")
        (self.losses / "data").mkdir(parents=True, exist_ok=True)
        losses = pd.DataFrame({"step": [20, STEPS], "l1": [0.2, 0.1], "held_out_ssim": [None, 0.4]})
        losses.to_csv(self.losses / "data" / f"{name}-{seed}.csv", index=False)

    def _scores(self, path: Path, ssim, about: dict, **metrics) -> None:
        """mask-SSIM is 0.1 above SSIM in each pair."""
        ssim = np.asarray(ssim)
        values = {"ssim": float(ssim.mean()), "mask_ssim": float(ssim.mean()) + 0.1}
        values |= {"sharpness": 0.5, "is": 2.0, "mask_is": 2.0, "fid": 100.0} | metrics
        values.setdefault("train_fid", 150.0)
        values |= {m + self.suffix: values.pop(m) for m in ("is", "mask_is", "fid", "train_fid")}
        values["ssim_pg2"] = 0.45
        scores = {"metrics": values, "pairs": len(ssim), "classifier": self.classifier}
        write_json(path.with_name(f"{path.name}.json"), scores | {"about": about})
        table = pd.DataFrame({"ssim": ssim, "mask_ssim": ssim + 0.1})
        table.insert(0, "pose_distance", np.linspace(0, 0.398, len(ssim)))
        table.insert(0, "views", np.resize(["front → back", "side → side"], len(ssim)))
        table.insert(0, "identity", np.arange(len(ssim)))
        table.insert(0, "to", [f"{i}-b.png" for i in range(len(ssim))])
        table.insert(0, "from", [f"{i}-a.png" for i in range(len(ssim))])
        table.to_csv(path.with_name(f"{path.name}.csv"), index=False)

    def _samples(self, path: Path, count: int, *names: str) -> None:
        """Plain images, whose colour tells the pair."""
        height, width = self.settings["height"], self.settings["width"]
        colours = np.arange(count, dtype=np.uint8)[:, None, None, None] * 20
        images = np.broadcast_to(colours, (count, height, width, 3))
        arrays = dict.fromkeys(names, images)
        write_arrays(path, arrays | {"keypoints": np.full((count, 18, 2), 5, np.int16)})
