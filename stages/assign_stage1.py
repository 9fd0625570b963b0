"""Copy the stage I that a variant refines, so that the variant depends on no other network."""

import shutil
from pathlib import Path

from vdg import cli
from vdg.errors import InputError
from vdg.files import read_json, replacing


def main():
    args = cli.arguments(__doc__, "dataset", "variant", "seed")
    network = read_json(f"configs/{args.dataset}/network-{args.variant}.json")["network"]
    source = f"models/{args.dataset}/stage1-{args.seed}/{network}/model.safetensors"
    if not Path(source).is_file():
        raise InputError(f"{source} is missing: run the stage that writes it (train-stage1)")
    with replacing(f"models/{args.dataset}/{args.variant}-{args.seed}/stage1.safetensors") as path:
        shutil.copyfile(source, path)


if __name__ == "__main__":
    cli.run(main)
