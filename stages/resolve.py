"""Validate params.yaml and write what each run depends on: configs/<dataset>/<run>.json."""

from pathlib import Path

from vdg import cli, config
from vdg.files import write_json


def main():
    resolved = config.resolve(config.load("params.yaml"))
    for name, content in resolved.items():
        write_json(Path("configs") / name, content)


if __name__ == "__main__":
    cli.run(main)
