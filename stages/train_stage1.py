"""Train stage I: the coarse generator, or the generator of a one-stage system."""

from vdg import cli, train
from vdg.files import read_json
from vdg.layout import Row
from vdg.settings import RunConfig
from vdg.training import distributed


def main():
    row = Row.of(cli.arguments(__doc__, "dataset", "network", "seed"))
    config = RunConfig.model_validate(read_json(row.training))
    distributed.relaunch(config.processes, config.device)
    train.train_stage1(train.Run(config, row.data, row.seed, row.folder, row.losses))


if __name__ == "__main__":
    cli.run(main)
