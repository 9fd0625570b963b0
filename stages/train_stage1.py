"""Stage I: train a coarse generator with L1."""

from pathlib import Path

from vdg import cli, train
from vdg.files import read_json
from vdg.training import distributed


def main():
    args = cli.arguments(__doc__, "dataset", "network", "seed")
    config = read_json(f"configs/{args.dataset}/stage1-{args.network}.json")
    distributed.relaunch(config["workers"], config["device"])
    outputs = train.Outputs.of(
        Path(f"models/{args.dataset}/stage1-{args.seed}/{args.network}"),
        losses=Path(f"losses/{args.dataset}/stage1-{args.network}-{args.seed}.csv"),
    )
    train.train_stage1(config, Path("data") / args.dataset, args.seed, outputs)


if __name__ == "__main__":
    cli.run(main)
