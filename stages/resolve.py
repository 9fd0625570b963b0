"""Validate params.yaml and write the resolved settings of each run to configs/<dataset>/."""

import os
from pathlib import Path

from vdg import cli, code, plan, workspace
from vdg.files import replacing_folder, write_json


def main():
    lists, runs = plan.kept() or planned()
    resolved = plan.hashed(runs)
    code.require_unsaved()
    with replacing_folder("configs") as folder:
        for name, content in resolved.items():
            write_json(Path(folder) / name, content)
    if "DVC_STAGE" in os.environ:  # by hand, runs of several params.yaml may share the folders
        for path in workspace.set_aside(lists):
            print(f"{path} is of no run in params.yaml: moved to {workspace.UNUSED}")
        workspace.forget(Path("dvc.lock"), workspace.stage_names(lists, Path("dvc.yaml")))
    code.require_unsaved()  # DVC notes the files as they are when this stage ends (its issue 11058)


def planned() -> tuple[plan.Lists, dict[str, plan.Run]]:
    """The lists and the runs of params.yaml, checked, and kept for the next time."""
    from vdg import check, config, resolve  # PyTorch, more than half of this stage's time

    params = config.load("params.yaml")
    runs = resolve.runs(params)
    check.networks(params)
    check.estimator(params)
    lists = plan.Lists(params.datasets, params.networks, params.variants, params.seeds)
    # which estimator is installed may change at any time
    if not any(params.dataset[name].needs_estimator for name in params.datasets):
        plan.keep(lists, runs)
    return lists, runs


if __name__ == "__main__":
    cli.run(main)
