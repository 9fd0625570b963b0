"""Read a data set and pack it into data/<dataset>/download/: images, key points and test pairs."""

import importlib

from vdg import cli, layout
from vdg.code import unchanged
from vdg.data import download
from vdg.files import read_json, replacing_folder


def main():
    args = cli.arguments(__doc__, "dataset")
    config = read_json(layout.config(args.dataset, "download"))
    output = layout.DATA / args.dataset / "download"
    reader = importlib.import_module(f"vdg.data.{config['source']['reader']}")
    with replacing_folder(output) as new, unchanged(config["code"]):
        download.fetch(reader, config, new)
    for path in sorted(output.iterdir()):
        print(path)


if __name__ == "__main__":
    cli.run(main)
