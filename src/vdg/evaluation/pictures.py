"""All generated images of a row, under the names that the field's scripts read."""

from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from vdg import systems
from vdg.data.batches import load_pairs
from vdg.drawing import skeleton
from vdg.evaluation.names import pair_name, strip_name
from vdg.evaluation.pairs import EvalPairs, generate
from vdg.files import replacing_folder
from vdg.keypoints.annotations import PAIRS_HEADER
from vdg.large_arrays import Array
from vdg.runtime import select_device, set_up
from vdg.settings import EvaluationConfig


def generate_pictures(config: EvaluationConfig, data: Path, model: Path, output: Path) -> None:
    """Generate the test pairs with a trained model and write them as `write_pictures` does."""
    set_up(0, config.deterministic, config.threads)
    device = select_device(config.device)
    generator, _ = systems.load(model, device)
    (evaluated,) = load_pairs(data, [config.split], device)
    pairs = EvalPairs(evaluated, config)
    write_pictures(output, pairs, generate(generator, pairs))


def write_pictures(folder: Path, pairs: EvalPairs, generated: Array) -> None:
    """Write generated images (N, H, W, 3) under the field's names, in place of `folder`.

    generated/SOURCE__TARGET.png: the image alone. target/: the real one, of the same name.
    strips/SOURCE___TARGET_vis.png: source, its pose, target, its pose and generated image side by
    side, as PATN's code writes and reads them. pairs.csv: the list, in its order.
    """
    names, joints = pairs.data.names, pairs.data.keypoints.cpu().numpy()
    shown = pairs.images(0), pairs.images(1), generated
    rows = [PAIRS_HEADER]
    with replacing_folder(folder) as new:
        for kind in ("generated", "target", "strips"):
            (new / kind).mkdir()
        for i, (a, b) in enumerate(tqdm(pairs.positions.tolist(), desc="write", disable=None)):
            source, target, image = (array[i] for array in shown)
            poses = [skeleton(joints[j], np.zeros_like(source)) for j in (a, b)]
            strip = np.hstack([source, poses[0], target, poses[1], image])
            name = pair_name(names[a], names[b])
            for path, picture in (
                (new / "generated" / f"{name}.png", image),
                (new / "target" / f"{name}.png", target),
                (new / "strips" / f"{strip_name(names[a], names[b])}.png", strip),
            ):
                Image.fromarray(picture).save(path)
            rows.append(f"{names[a]},{names[b]}")
        text = "\n".join(rows) + "\n"
        (new / "pairs.csv").write_bytes(text.encode("utf-8", "surrogateescape"))
