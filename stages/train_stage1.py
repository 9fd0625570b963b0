"""Stage I: train a coarse generator, or the whole of a one-stage system."""

from pathlib import Path

from vdg import cli, train
from vdg.files import read_json
from vdg.training import distributed


def main():
    args = cli.arguments(__doc__, "dataset", "network", "seed")
    config = read_json(f"configs/{args.dataset}/stage1-{args.network}.json")
    distributed.relaunch(config["processes"], config["device"])
    run = train.Run(
        config=config,
        data=Path("data") / args.dataset,
        seed=args.seed,
        folder=Path(f"models/{args.dataset}/stage1-{args.seed}/{args.network}"),
        losses=Path(f"losses/{args.dataset}/stage1-{args.network}-{args.seed}.csv"),
    )
    train.train_stage1(run)


if __name__ == "__main__":
    cli.run(main)
