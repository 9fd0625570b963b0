"""The runs that `resolve` made of params.yaml, kept for the next time.

An edit of a table, say, changes neither the runs nor their settings: their code is then hashed anew
without importing a system, which is to say PyTorch.
"""

import functools
import pkgutil
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from vdg import code
from vdg.errors import InputError
from vdg.files import read_json, sha256, write_json

FILE = Path(".scratch", "plan.json")


@dataclass
class Reach:
    """Modules with all that they import, `without` some files; see `vdg.code.hashes`."""

    modules: list[str]
    without: list[str]


@dataclass
class Run:
    """The settings of a run and what it reaches of the project's code."""

    settings: dict[str, Any]
    reaches: list[Reach]


@dataclass
class Lists:
    """The lists of params.yaml whose combinations are DVC's stages."""

    datasets: list[str]
    networks: list[str]
    variants: list[str]
    seeds: list[int]


def hashed(runs: dict[str, Run]) -> dict[str, dict]:
    """The settings of each run with its code, path -> SHA-256. Raises InputError as `hashes`."""

    @functools.cache  # most runs differ in their settings alone
    def hashes(modules: tuple[str, ...], without: tuple[str, ...]) -> dict[str, str]:
        return code.hashes(*modules, without=without)

    files = {}
    for name, run in runs.items():
        reached = (hashes((*reach.modules,), (*reach.without,)) for reach in run.reaches)
        files[name] = run.settings | {"code": functools.reduce(dict.__or__, reached)}
    return files


def keep(lists: Lists, runs: dict[str, Run]) -> None:
    """Write what was made of params.yaml, and of which code, to FILE.

    Raises InputError where one of them was saved meanwhile, of which `runs` may know nothing.
    """
    plan = {"lists": asdict(lists), "runs": {name: asdict(run) for name, run in runs.items()}}
    plan |= {"made_of": _made_of(runs.values())}
    code.require_unsaved()
    write_json(FILE, plan)


def kept() -> tuple[Lists, dict[str, Run]] | None:
    """What `keep` wrote, unless params.yaml or code that makes runs of it has changed since."""
    try:
        plan = read_json(FILE)
        runs = {
            name: Run(run["settings"], [Reach(**reach) for reach in run["reaches"]])
            for name, run in plan["runs"].items()
        }
        if plan["made_of"] == _made_of(runs.values()):
            return Lists(**plan["lists"]), runs
    except (InputError, LookupError, TypeError, AttributeError):
        pass  # there is none, or it is damaged
    return None


def _made_of(runs: Iterable[Run]) -> dict[str, Any]:
    """SHA-256 of params.yaml and of the code that reads it, the runs' systems and readers too, and
    the names of all systems and readers, of which params.yaml may choose."""
    modules = {module for run in runs for reach in run.reaches for module in reach.modules}
    modules = {module for module in modules if module.startswith("vdg.")}
    folders = {name: code.PROJECT / "src" / "vdg" / name for name in ("systems", "data")}
    known = {name: [m.name for m in pkgutil.iter_modules([str(f)])] for name, f in folders.items()}
    files = {"params.yaml": sha256("params.yaml"), "src/vdg/code.py": sha256(code.__file__)}
    return known | files | code.hashes("stages.resolve", *sorted(modules))
