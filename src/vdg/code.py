"""The code of a run: which files it can reach, and a hash of what runs in them.

Followed are all imports of the project's own modules, also relative ones and those inside
functions, and the packages around a module. Hashed is a file's syntax tree without comments,
docstrings and layout: prose can be mended on any day. The hash is the same on every Python that
the project supports, so a model that was trained on one is not trained again on another.
"""

import ast
import contextlib
import functools
import hashlib
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from vdg.errors import InputError

PROJECT = Path(__file__).parents[2]
SPEAKING = ("src/vdg/cli.py", "src/vdg/errors.py", "src/vdg/code.py")
"""Modules that speak to the user: no output depends on them. What they import is followed."""
DRAWING = ("src/vdg/drawing.py",)
"""Modules that draw what a model generates, on which neither it nor its scores depend."""
WATCHING = ("src/vdg/metrics/ssim.py",)
"""Metrics that are printed while a network trains; where a loss uses one, the training depends on
it all the same."""
BY_NAME = ("src/vdg/systems/__init__.py", "src/vdg/config.py", "stages/download.py")
"""Modules that import what params.yaml names: `resolve` names it for each run."""
ON_PATH = ("stages/__init__.py", *SPEAKING)
"""Modules that may look beyond their own folder, for the place of the checkout."""
IMPORTERS = {"import_module", "__import__", "resolve_name", "run_module", "run_path"}
IMPORTERS |= {"spec_from_file_location"}


def hashes(*modules: str, without: Iterable[str] = ()) -> dict[str, str]:
    """The files of these modules and of the project's modules that they import: path -> SHA-256.

    modules: dotted names, such as "stages.train_stage1". without: paths to leave out, with what
    they alone import.

    Raises InputError for an import that cannot be followed, which would be a change that no run
    notices.
    """
    waiting, reached = list(modules), set()
    files: dict[str, str] = {}
    while waiting:
        module = waiting.pop()
        if module in reached:
            continue
        reached.add(module)
        for file in _files(module):
            name = file.relative_to(PROJECT).as_posix()
            if name in without or name in files:
                continue
            source = _read(file)
            if name not in SPEAKING:
                files[name] = source.hash
                files |= {
                    data.relative_to(PROJECT).as_posix(): _sha256(data)
                    for data in _data(file, source)
                }
            waiting += source.imports
            if source.by_name and name not in BY_NAME:
                raise InputError(
                    f"{name}, line {source.by_name}: a module is imported under a name that is "
                    "computed, so that nobody sees when it changes: import it by its own name"
                )
    return dict(sorted(files.items()))


def remember() -> None:
    """Remember when each file was written, for `require_unchanged`; before others are imported."""
    global _written
    files = (file for folder in ("src", "stages") for file in (PROJECT / folder).rglob("*.py"))
    names = [file.relative_to(PROJECT).as_posix() for file in files]
    _written = {name: _written_at(name) for name in ("params.yaml", *names)}


_written: dict[str, int] | None = None
"""Until the first check: what was edited and restored since may have been imported meanwhile."""


def require_unsaved() -> None:
    """Raise InputError if params.yaml or a source file was saved since `remember`."""
    for name, written in (_written or {}).items():
        if _written_at(name) != written:
            raise InputError(f"{name} was saved while this run began: run dvc repro again")


def _written_at(name: str) -> int:
    try:
        return (PROJECT / name).stat().st_ctime_ns
    except OSError:
        return 0


def require_unchanged(code: dict[str, str]) -> None:
    """Raise InputError if files are no longer those that `resolve` saw, or if more were imported.

    code: path -> SHA-256, of the run's file in configs/. Call it before work and before writing: a
    result that other code made would stand under this code's hash.
    """
    global _written
    for name, expected in code.items():
        file = PROJECT / name
        if not file.is_file() or _hash(file) != expected:
            raise InputError(
                f"{name} is no longer the file that this run began with: nothing was written; run "
                "dvc repro again, and dvc repro -f resolve if that says the same"
            )
    unseen = {*SPEAKING, *DRAWING, *WATCHING, *code}
    for name in _loaded():
        if name not in unseen:
            raise InputError(
                f"{name} was imported, but resolve did not see it, so that its changes would go "
                "unnoticed: import it by its own name; nothing was written"
            )
        if name in code and _written is not None and _written.get(name, 0) != _written_at(name):
            raise InputError(
                f"{name} was saved while this run began: nothing was written; run dvc repro again"
            )
    _written = None


@contextlib.contextmanager
def unchanged(code: dict[str, str]) -> Iterator[None]:
    """Require it before and after a block, see `require_unchanged`; inside the one that writes."""
    require_unchanged(code)
    yield
    require_unchanged(code)


def _loaded() -> Iterator[str]:
    """The files of the project's modules that this process has imported: src/... and stages/..."""
    for module in list(sys.modules.values()):
        file = getattr(module, "__file__", None)
        if file and (path := Path(file)).is_relative_to(PROJECT):
            name = path.relative_to(PROJECT).as_posix()
            if name.startswith(("src/", "stages/")):
                yield name


# --- files ----------------------------------------------------------------------------------------


def _files(module: str) -> list[Path]:
    """The files that importing a module of the project runs: its packages', then its own.

    Empty for a module of another project. Raises InputError for one beside src/ and stages/.
    """
    parts = module.split(".")
    for root in (PROJECT / "src", PROJECT):
        # joined as text: thousands of names are looked up, and paths are slow
        paths = ["/".join([str(root), *parts[: i + 1]]) for i in range(len(parts))]
        if _file(paths[0]) is None and not os.path.isdir(paths[0]):
            continue
        files = [file for path in paths if (file := _file(path))]
        if root == PROJECT and files and parts[0] != "stages":
            raise InputError(
                f"{files[0].relative_to(PROJECT)} is imported by the pipeline, but only src/ and "
                "stages/ are watched for changes: move it into src/"
            )
        return files
    return []


def _file(path: str) -> Path | None:
    """The source of a package or module, as Python chooses it: a package comes first."""
    files = (f"{path}/__init__.py", f"{path}.py")
    return next((Path(file) for file in files if os.path.isfile(file)), None)


def _data(file: Path, source: "_Source") -> list[Path]:
    """The data files that a module can read through `__file__`: all beside and below it."""
    name = file.relative_to(PROJECT).as_posix()
    if not source.reads or name in ON_PATH:
        return []
    if source.climbs:
        raise InputError(
            f"{name}, line {source.climbs}: files outside its folder are read through __file__, "
            "so that nobody sees when they change: keep them beside the module"
        )
    paths = (path for path in sorted(file.parent.rglob("*")) if path.is_file())
    return [p for p in paths if p.suffix not in (".py", ".pyc") and not p.name.startswith(".")]


# --- one file -------------------------------------------------------------------------------------


class _Source:
    """What a source file is to a run.

    hash: of its code. imports: dotted names of what it imports. by_name: line of an import under
    a computed name, or 0. reads: whether it names its own place; climbs: line where it leaves its
    folder, or 0.
    """

    def __init__(self, text: bytes, package: str):
        tree = ast.parse(text)
        self.hash = hashlib.sha256(canonical(tree).encode()).hexdigest()
        self.imports: list[str] = []
        self.by_name = self.climbs = 0
        self.reads = False
        for node in ast.walk(tree):
            match node:
                case ast.Import(names=names):
                    self.imports += [alias.name for alias in names]
                case ast.ImportFrom(module=module, names=names, level=level):
                    base = _absolute(module, level, package)
                    # `from vdg import systems` names a module, `from vdg.files import sha256` not
                    self.imports += [base, *(f"{base}.{alias.name}" for alias in names)]
                case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)):
                    if name in IMPORTERS:
                        self._import_by_name(node, package)
                case ast.Name(id="__file__" | "__path__"):
                    self.reads = True
                case ast.Attribute(attr="parents"):
                    self.climbs = self.climbs or node.lineno
                case ast.Attribute(attr="parent", value=ast.Attribute(attr="parent")):
                    self.climbs = self.climbs or node.lineno
                case ast.Constant(value=".."):
                    self.climbs = self.climbs or node.lineno
        self.reads = self.reads or "importlib.resources" in self.imports

    def _import_by_name(self, call: ast.Call, package: str) -> None:
        match call.args:
            case [ast.Constant(value=str(name)), *_]:
                level = len(name) - len(name.lstrip("."))
                self.imports.append(_absolute(name[level:], level, package))
            case _:
                self.by_name = call.lineno


def _read(file: Path) -> _Source:
    relative = file.relative_to(
        PROJECT / "src" if file.is_relative_to(PROJECT / "src") else PROJECT
    )
    try:
        return _source(file.read_bytes(), ".".join(relative.parent.parts))
    except SyntaxError as error:
        name = file.relative_to(PROJECT).as_posix()
        raise InputError(f"{name}, line {error.lineno}: {error.msg}") from error


@functools.lru_cache(maxsize=1024)
def _source(text: bytes, package: str) -> _Source:
    return _Source(text, package)


def _hash(file: Path) -> str:
    return _read(file).hash if file.suffix == ".py" else _sha256(file)


def _sha256(file: Path) -> str:
    with open(file, "rb") as data:  # not of vdg.files, which would be imported before `remember`
        return hashlib.file_digest(data, "sha256").hexdigest()


def _absolute(module: str | None, level: int, package: str) -> str:
    """The dotted name of `from <level dots><module> import`, in a module of a package."""
    parts = package.split(".")
    above = parts[: len(parts) - level + 1] if level else []
    return ".".join([*above, *([module] if module else [])])


def canonical(node) -> str:
    """A syntax tree as text: equal where the same code runs, on every Python.

    `ast.dump` prints fields that only some Pythons have. Without statements that are a constant,
    such as docstrings, which do nothing.
    """
    match node:
        case ast.Constant(value=value):
            return f"{type(value).__name__} {value!a}"
        case ast.JoinedStr(values=values):
            return f"JoinedStr({canonical(_joined(values))})"
        case ast.AST():
            fields = [
                f"{name}={canonical(value)}"
                for name, value in ast.iter_fields(node)
                if value is not None and value != []
            ]
            return f"{type(node).__name__}({', '.join(fields)})"
        case list():
            code = (x for x in node if not _does_nothing(x))
            return f"[{', '.join(map(canonical, code))}]"
    return ascii(node)


def _joined(values: list[ast.expr]) -> list[ast.expr]:
    """The parts of an f-string; Pythons split its text in different places."""
    joined: list[ast.expr] = []
    for value in values:
        if isinstance(value, ast.Constant) and joined and isinstance(joined[-1], ast.Constant):
            joined[-1] = ast.Constant(joined[-1].value + value.value)
        elif not (isinstance(value, ast.Constant) and value.value == ""):
            joined.append(value)
    return joined


def _does_nothing(node) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
