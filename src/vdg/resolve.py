"""Which code a stage runs, so that editing it re-runs that stage and no other."""

import ast
import functools
import hashlib
from pathlib import Path

PROJECT = Path(__file__).parents[2]
SPEAKING = {"src/vdg/cli.py", "src/vdg/errors.py"}
"""Modules that speak to the user: no output depends on them."""


def hashes(*modules: str) -> dict[str, str]:
    """The files of these modules and of the project's modules they import: path -> SHA-256.

    modules: dotted names, such as "stages.train_stage1". What a module imports by a name that it
    computes cannot be seen here and has to be listed.
    """
    waiting, found = [_file(module) for module in modules], {}
    while waiting:
        file = waiting.pop()
        name = file.relative_to(PROJECT).as_posix()
        if name in SPEAKING or name in found:
            continue
        text = file.read_bytes()
        found[name] = hashlib.sha256(text).hexdigest()
        waiting += filter(None, map(_file, _imported(text)))
    return dict(sorted(found.items()))


def _file(module: str) -> Path | None:
    """The source of one of the project's modules; None for what is not a module of it."""
    top, *inner = module.split(".")
    if top not in ("stages", "vdg"):
        return None
    base = Path(PROJECT / "src" if top == "vdg" else PROJECT, top, *inner)
    files = (base.with_suffix(".py"), base / "__init__.py")
    return next((file for file in files if file.is_file()), None)


@functools.cache
def _imported(text: bytes) -> list[str]:
    """Dotted names that a source text imports from the project."""
    names = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            inner = [f"{node.module}.{alias.name}" for alias in node.names]
            # `from vdg import models` names a module, `from vdg.files import sha256` its content
            names += [name if _file(name) else node.module for name in inner]
    return names
