"""Would a generator gain by copying the source's ground? By what the pair's cameras share.

Run as `python -m bench.ground [--data data/synthetic] [--model FILE]`. Of 500 validation pairs it
prints the SSIM of the generated pictures, and of the same with the source's ground pasted in, and
the mean absolute error beyond both people's masks, in [-1, 1], of generated and source pictures.
"""

import argparse
from pathlib import Path

import pandas as pd
import torch
import torch.nn.functional as F

from vdg import cli, systems
from vdg.data.batches import load_pairs, to_uint8
from vdg.data.pairs import draw_pairs
from vdg.errors import InputError
from vdg.evaluation.names import cameras, pair_name
from vdg.metrics.ssim import ssim

PAIRS, BATCH = 500, 50
MARGIN, SOFT = 9, 5  # pixels: masks are widened, because clothes are wider, and their edge is soft


@torch.inference_mode()
def measured(generator, data, pairs: torch.Tensor) -> pd.DataFrame:
    """pairs: (B, 2), positions. A row per pair."""
    batch, turned = data.batch(pairs), data.batch(pairs.flip(1))
    I_b = generator(batch.I_a, batch.K_a, batch.K_b).float()
    people = torch.maximum(batch.M_b, turned.M_b)
    beyond = 1 - F.max_pool2d(people.float(), MARGIN, 1, MARGIN // 2)
    share = F.avg_pool2d(beyond, SOFT, 1, SOFT // 2) * beyond
    pasted = I_b * (1 - share) + batch.I_a * share

    def similarity(image):
        x, y = (torch.as_tensor(to_uint8(i)).permute(0, 3, 1, 2) for i in (image, batch.I_b))
        return ssim(x, y)

    def error(image):
        difference = (image - batch.I_b).abs().mean(1, keepdim=True)
        return (difference * share).sum((1, 2, 3)) / share.sum((1, 2, 3)).clamp(min=1)

    images = {"generated": I_b, "pasted": pasted, "source": batch.I_a}
    columns = {f"ssim {name}": similarity(image) for name, image in images.items()}
    columns |= {f"error {name}": error(images[name]) for name in ("generated", "source")}
    return pd.DataFrame({name: values.numpy() for name, values in columns.items()})


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--data", type=Path, default=Path("data/synthetic"), help="packed: %(default)s")
    model = Path("models/synthetic/full-0/model.safetensors")
    add("--model", type=Path, default=model, help="%(default)s")
    args = parser.parse_args()
    (data,) = load_pairs(args.data, ["validation"], torch.device("cpu"))
    generator, _ = systems.load(args.model, torch.device("cpu"))
    pairs = torch.as_tensor(draw_pairs(data.pairs.numpy(), PAIRS))
    shared = cameras(pair_name(data.names[a], data.names[b]) for a, b in pairs.tolist())
    if shared is None:
        raise InputError(f"{args.data}: its names do not say cameras and sequences")
    table = pd.concat([measured(generator, data, part) for part in pairs.split(BATCH)])
    groups = table.assign(pairs=1).groupby(shared)
    print(groups.mean().assign(pairs=groups["pairs"].sum()).round(3).to_string())


if __name__ == "__main__":
    cli.run(main)
