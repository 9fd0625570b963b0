"""Stage II: refine a variant's stage I with L_adv + lambda L_img."""

from pathlib import Path

from vdg import cli, train
from vdg.files import read_json
from vdg.training import distributed


def main():
    args = cli.arguments(__doc__, "dataset", "variant", "seed")
    config = read_json(f"configs/{args.dataset}/stage2-{args.variant}.json")
    distributed.relaunch(config["workers"], config["device"])
    run = f"{args.dataset}/{args.variant}-{args.seed}"
    outputs = train.Outputs.of(Path("models") / run, losses=Path(f"losses/{run}.csv"))
    stage1 = Path("models") / run / "stage1.safetensors"
    train.train_stage2(config, Path("data") / args.dataset, stage1, args.seed, outputs)


if __name__ == "__main__":
    cli.run(main)
