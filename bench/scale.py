"""Peak memory and CPU seconds of each stage on a folder of many pictures.

Run as `python -m bench.scale --folder DIR [--pictures 20000] [--side 256] [--pairs 2000]`. DIR gets
the pictures, blurred noise in JPEG files with random key points, a clone of this checkout and all
outputs; with 20,000 pictures that is 10 GB. `--checkout` measures another build on the same
pictures. Scores are of a network after a few steps: they tell time and memory, and whether two
builds give the same bytes.
"""

import argparse
import hashlib
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import yaml
from PIL import Image
from tqdm import tqdm

from vdg.keypoints.annotations import write_keypoints

VIEWS = 10  # pictures of each identity
PANELS = 5
STAGES = {
    "download": ["-m", "stages.download"],
    "pose-heatmaps": ["-m", "stages.pose_heatmaps"],
    "train-stage1": ["-m", "stages.train_stage1", "--network", "vdg", "--seed", "0"],
    "references": ["-m", "stages.evaluate", "--references"],
    "evaluate": ["-m", "stages.evaluate", "--network", "vdg", "--seed", "0"],
}
NETWORK = {"width": 8, "max_width": 32, "depth": 3, "steps": 20, "batch_size": 8}


def draw_pictures(folder: Path, count: int, side: int) -> None:
    """count JPEG files and annotations.csv with joints that make a valid person."""
    rng = np.random.default_rng(0)
    names, joints = [], []
    upright = np.linspace([0.1, 0.5], [0.9, 0.5], 18)
    for index in tqdm(range(count), desc="draw", disable=None):
        name = f"{index // VIEWS:05d}/{index % VIEWS:02d}.jpg"
        path = folder / "people" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        noise = Image.fromarray(rng.integers(0, 256, (16, 16, 3), np.uint8))
        noise.resize((side, side)).save(path, quality=90)
        names.append(name)
        joints.append(((upright + rng.uniform(-0.09, 0.09, (18, 2))) * side).astype(np.int16))
    write_keypoints(folder / "annotations.csv", names, joints)


def draw_strips(folder: Path, count: int) -> None:
    """Strips of five panels, the pictures side by side, as PNG files."""
    pictures = sorted((folder / "people").glob("*/*.jpg"))
    (folder / "strips").mkdir()
    for index in tqdm(range(count), desc="strips", disable=None):
        shown = [pictures[(index + panel) % len(pictures)] for panel in range(PANELS)]
        strip = np.hstack([np.asarray(Image.open(path)) for path in shown])
        Image.fromarray(strip).save(folder / "strips" / f"{index:05d}_vis.png", compress_level=1)


def prepare(checkout: Path, folder: Path, clone: Path, side: int, pairs: int) -> None:
    """A clone with a data set `scale` in its params.yaml."""
    subprocess.run(["git", "clone", "--quiet", checkout, clone], check=True)
    path = clone / "params.yaml"
    params = yaml.safe_load(path.read_text())
    source = {"reader": "folder", "archive": str(folder / "people")}
    params["dataset"]["scale"] = {
        "height": side,
        "width": side,
        "source": source | {"annotations": str(folder / "annotations.csv")},
        "poses": {"split": "official", "validation_identities": 5},
        "evaluation": {"split": "test", "pairs": pairs, "classifier": "efficientnet-lite0"},
    }
    for stage in ("stage1", "stage2"):
        like = params["network"]["vdg"][stage]
        like["scale"] = like["synthetic"] | NETWORK
    params |= {"datasets": ["scale"], "networks": ["vdg"], "variants": ["full"]}
    path.write_text(yaml.safe_dump(params, sort_keys=False))


def measured(clone: Path, command: list[str]) -> tuple[float, float, float]:
    """Run Python in a clone. Returns (GB at its peak, CPU seconds, seconds)."""
    environment = os.environ | {"PYTHONPATH": str(clone / "src")}
    start = time.perf_counter()
    with open(clone / "log.txt", "ab") as log:
        process = subprocess.Popen(
            [sys.executable, *command], cwd=clone, env=environment, stdout=log, stderr=log
        )
        _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"{' '.join(command)} failed: see {clone / 'log.txt'}")
    seconds = time.perf_counter() - start
    return usage.ru_maxrss * 1024 / 1e9, usage.ru_utime + usage.ru_stime, seconds


def digest(folder: Path, but: str = "") -> str:
    """Of the bytes of all files of a folder."""
    found = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file() and p.name != but):
        with open(path, "rb") as file:
            found.update(hashlib.file_digest(file, "sha256").digest())
    return found.hexdigest()[:12]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--folder", type=Path, required=True)
    add("--checkout", type=Path, default=Path(__file__).parents[1])
    add("--pictures", type=int, default=20_000)
    add("--side", type=int, default=256)
    add("--pairs", type=int, default=2_000)
    add("--only", nargs="*", choices=[*STAGES, "score"], default=[*STAGES, "score"])
    args = parser.parse_args()
    folder = args.folder.absolute()
    if not (folder / "annotations.csv").exists():
        draw_pictures(folder, args.pictures, args.side)
    if not (folder / "strips").exists():
        draw_strips(folder, args.pairs)
    clone = folder / f"clone-{args.checkout.absolute().name}"
    if not clone.exists():
        prepare(args.checkout, folder, clone, args.side, args.pairs)
        measured(clone, ["-m", "stages.resolve"])
    score = ["-m", "vdg", "score", "--strips", str(folder / "strips"), "--panels", "5"]
    commands = {name: [*line, "--dataset", "scale"] for name, line in STAGES.items()}
    commands["score"] = [*score, "--output", "scores/strips"]
    print("| stage | peak GB | CPU seconds | seconds | outputs |\n|---|---|---|---|---|")
    outputs = {"download": "data/scale/download", "pose-heatmaps": "data/scale/poses"}
    outputs |= {"train-stage1": "losses", "references": "scores/scale/references"}
    outputs |= {"evaluate": "scores/scale/stage1-vdg-0", "score": "scores/strips"}
    for name in args.only:
        peak, cpu, seconds = measured(clone, commands[name])
        kept = digest(clone / outputs[name])
        print(f"| {name} | {peak:.2f} | {cpu:.1f} | {seconds:.1f} | {kept} |", flush=True)


if __name__ == "__main__":
    main()
