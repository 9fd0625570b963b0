"""Copy the stage I that a variant refines, so that the variant depends on no other network."""

import shutil

from vdg import cli, layout
from vdg.code import require_unchanged
from vdg.errors import InputError
from vdg.files import read_json, replacing


def main():
    row = layout.Row.of(cli.arguments(__doc__, "dataset", "variant", "seed"))
    config = read_json(layout.config(row.dataset, f"network-{row.name}"))
    source = layout.Row(row.dataset, config["network"], row.seed, coarse=True).model
    if not source.is_file():
        raise InputError(f"{source} is missing: run the stage that writes it (train-stage1)")
    require_unchanged(config["code"])
    with replacing(row.stage1) as path:
        shutil.copyfile(source, path)


if __name__ == "__main__":
    cli.run(main)
