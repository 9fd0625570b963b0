"""Keep the workspace to the runs that params.yaml names.

Some stages depend on folders to which every run adds files, and DVC has no list of dependencies
that follows params.yaml. Files of earlier runs in these folders would enter dvc.lock, which would
then depend on what was run before.
"""

import itertools
import re
import shutil
from pathlib import Path

import yaml

from vdg import layout
from vdg.errors import InputError
from vdg.files import write_bytes
from vdg.plan import Lists

SHARED = ("losses/*/*", "scores/*/*", "models/*/stage1-*/*")
"""Entries of the folders that stages in dvc.yaml depend on as a whole."""
UNUSED = Path(".scratch", "unused")


def named(lists: Lists) -> set[Path]:
    """The entries of SHARED that the stages of these lists write."""
    entries = set()
    for dataset, seed in itertools.product(lists.datasets, lists.seeds):
        networks = [layout.Row(dataset, key, seed, coarse=True) for key in lists.networks]
        variants = [layout.Row(dataset, key, seed, coarse=False) for key in lists.variants]
        entries |= {layout.references(dataset), *(network.folder for network in networks)}
        entries |= {path for row in networks + variants for path in (row.losses, row.scores)}
    return entries


def set_aside(lists: Lists) -> list[Path]:
    """Move the entries of SHARED that no stage of `lists` writes to UNUSED, and return them.

    Moved, not deleted: what a stage wrote without DVC is in no cache. Raises InputError for what
    cannot be moved.
    """
    kept = named(lists)
    moved = [path for form in SHARED for path in sorted(Path().glob(form)) if path not in kept]
    for path in moved:
        target = UNUSED / path
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            if target.is_dir():
                shutil.rmtree(target)
            shutil.move(path, target)
        except OSError as error:
            raise InputError(
                f"cannot move {path} to {target}: {error.strerror or error}"
            ) from error
    return moved


def stage_names(lists: Lists, pipeline: Path) -> set[str]:
    """The names of the stages that DVC makes of dvc.yaml, such as "evaluate@synthetic-full-0"."""
    names = set()
    for name, stage in yaml.safe_load(pipeline.read_text(encoding="utf-8"))["stages"].items():
        matrix = [getattr(lists, value.strip("${}")) for value in stage.get("matrix", {}).values()]
        items = ("-".join(map(str, item)) for item in itertools.product(*matrix))
        names |= {f"{name}@{item}" for item in items} if matrix else {name}
    return names


def forget(lock: Path, stages: set[str]) -> None:
    """Remove the entries of other stages from dvc.lock, which DVC itself keeps for ever.

    The text is cut, not written anew, because DVC's own formatting would be lost.
    """
    if not lock.is_file():
        return
    text = lock.read_text(encoding="utf-8")
    head, *entries = re.split(r"^(?=  [^ ])", text, flags=re.MULTILINE)
    kept = [entry for entry in entries if entry[: entry.index(":\n")].strip() in stages]
    if len(kept) < len(entries):
        write_bytes(lock, "".join([head, *kept]).encode())
