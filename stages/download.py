"""Read a data set and pack it into data/<dataset>/download/: images, key points and test pairs."""

import importlib
from pathlib import Path

from vdg import cli
from vdg.data import download
from vdg.files import read_json, replacing_folder


def main():
    args = cli.arguments(__doc__, "dataset")
    config = read_json(f"configs/{args.dataset}/download.json")
    output = Path(f"data/{args.dataset}/download")
    reader = importlib.import_module(f"vdg.data.{config['source']['reader']}")
    with replacing_folder(output) as new:
        download.fetch(reader, config, new)
    for path in sorted(output.iterdir()):
        print(path)


if __name__ == "__main__":
    cli.run(main)
