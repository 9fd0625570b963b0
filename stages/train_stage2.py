"""Stage II: refine a variant's stage I with L_adv + lambda L_img."""

from pathlib import Path

from vdg import cli, train
from vdg.files import read_json
from vdg.training import distributed


def main():
    args = cli.arguments(__doc__, "dataset", "variant", "seed")
    config = read_json(f"configs/{args.dataset}/stage2-{args.variant}.json")
    distributed.relaunch(config["processes"], config["device"])
    name = f"{args.dataset}/{args.variant}-{args.seed}"
    run = train.Run(
        config=config,
        data=Path("data") / args.dataset,
        seed=args.seed,
        folder=Path("models") / name,
        losses=Path(f"losses/{name}.csv"),
        stage1=Path("models") / name / "stage1.safetensors",
    )
    train.train_stage2(run)


if __name__ == "__main__":
    cli.run(main)
