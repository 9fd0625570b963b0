"""README.md and docs/: files and names in them exist, and their commands are accepted."""

import ast
import copy
import functools
import importlib
import re
import shutil
from pathlib import Path

import pytest
import yaml
from test_pipeline import TOY

from vdg import code, config, resolve, systems
from vdg.data.synthetic.render import NAMED_POSES

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
PAGES = [README, *sorted((ROOT / "docs").rglob("*.md"))]
WORDS = 1800
MADE = {"reports/index.html"}  # by a run
EXAMPLES = {"src/vdg/data/NAME.py", "src/vdg/systems/toy_gan.py"}
COMMITTED = ("src", "stages", "docs", "tests", "bench", "reports", "pretrained", ".ci")
SUFFIXES = (".yaml", ".toml", ".lock", ".txt", ".md", ".cff")
ALWAYS = {"help", "debug"}  # options of every stage


def fences(page, language):
    """The code blocks of one language, lines that end in a backslash joined."""
    blocks = re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)
    return [re.sub(r"\\\n\s*", " ", block) for block in blocks]


def prose(page):
    """A page without its code blocks."""
    return re.sub(r"^```.*?^```", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)


def spans(text):
    """What stands in `backticks`."""
    return re.findall(r"`([^`]+)`", text)


def commands(page):
    """What a reader may type: the lines of shell blocks, and what stands in backticks."""
    lines = [line for block in fences(page, "sh") for line in block.splitlines()]
    return [" ".join(command.split()) for command in [*lines, *spans(prose(page))]]


def anchors(page):
    headings = re.findall(r"^#+ (.*)", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def targets():
    return set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def pages(which=lambda page: True):
    """A test for each page of some."""
    shown = [page for page in PAGES if which(page)]
    return pytest.mark.parametrize("page", shown, ids=lambda page: page.stem)


# --- what is named --------------------------------------------------------------------------------


@pages()
def test_links_resolve(page):
    for link in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if "://" in link:
            continue
        name, _, anchor = link.partition("#")
        file = (page.parent / name).resolve() if name else page
        if file.relative_to(ROOT).as_posix() in MADE:
            continue
        assert file.exists(), link
        assert not anchor or anchor in anchors(file), link


@pages()
def test_paths_exist(page):
    for name in spans(prose(page)):
        in_folder = re.fullmatch(r"([\w.-]+)/[\w./-]*", name)
        known = in_folder[1] in COMMITTED if in_folder else name.endswith(SUFFIXES)
        if known and re.fullmatch(r"[\w./-]+", name) and name not in EXAMPLES:
            assert (ROOT / name).exists() or name in MADE, name


@pages()
def test_names_in_the_code_exist(page):
    for name in spans(prose(page)):
        if re.fullmatch(r"vdg(\.\w+)+", name):
            module, _, attribute = name.rpartition(".")
            assert hasattr(importlib.import_module(module), attribute), name


def test_readme_names_every_module():
    section = README.read_text().split("\n## Where things are\n")[1].split("\n## ")[0]
    code = ROOT / "src/vdg"
    modules = {f"src/vdg/{path.name}" for path in code.glob("[!_]*.py")}
    folders = {f"src/vdg/{path.parent.name}/" for path in code.glob("*/__init__.py")}
    assert modules | folders <= set(spans(section))


def test_readme_is_short():
    assert len(README.read_text().split()) <= WORDS


@pages()
def test_scores_are_marked_in_pairs(page):
    marks = re.findall(r"<!-- (/?scores) -->", page.read_text())
    assert marks == ["scores", "/scores"] * (len(marks) // 2)


# --- what is typed --------------------------------------------------------------------------------


@pages()
def test_make_targets_exist(page):
    named = {m[1] for command in commands(page) if (m := re.match(r"make ([a-z-]+)", command))}
    assert {target for target in named if f"make {target}" not in MADE} <= targets()


@pages()
def test_modules_and_their_options_exist(page):
    for command in commands(page):
        called = re.search(r"-m ((?:stages|bench)\.\w+)(.*)", command)
        if called:
            source = ROOT.joinpath(*called[1].split(".")).with_suffix(".py")
            assert source.is_file(), command
            for option in set(re.findall(r"--([a-z][\w-]*)", called[2])) - ALWAYS:
                assert re.search(rf'"(--)?{option}"', source.read_text()), command


@pages()
def test_stages_of_dvc_exist(page):
    stages = re.findall(r"^  ([\w-]+):$", (ROOT / "dvc.yaml").read_text(), re.MULTILINE)
    for command in commands(page):
        for stage in re.findall(r"^dvc repro .*?([\w-]+)@", command):
            assert stage in stages, command


def merge(base, more):
    """A nested dictionary with what is added or replaced by another."""
    both = base.keys() & more.keys()
    deep = {k: merge(base[k], more[k]) for k in both if isinstance(more[k], dict)}
    return base | more | deep


@functools.cache
def documented(page):
    """params.yaml with the sections that a page shows."""
    sections = map(yaml.safe_load, fences(page, "yaml"))
    return functools.reduce(merge, sections, yaml.safe_load((ROOT / "params.yaml").read_text()))


def override(params, key, value):
    """As `-S key=value`, which takes keys that are there, or `-S +key=value`, which adds others."""
    *parents, last = key.removeprefix("+").split(".")
    section = params
    for part in parents:
        section = section.setdefault(part, {}) if key.startswith("+") else section[part]
    assert (last in section) != key.startswith("+"), f"{key}: is it in params.yaml?"
    section[last] = yaml.safe_load(value)


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A copy of the project that has the system of docs/extending.md."""
    copy = tmp_path_factory.mktemp("project")
    for folder in ("src", "stages"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / folder, copy / folder, ignore=ignored)
    (copy / "src/vdg/systems/toy_gan.py").write_text(TOY)
    return copy


@pytest.fixture(scope="module")
def hashes():
    """As of code that does not change between these tests."""
    return functools.cache(code.hashes)


@pytest.fixture
def resolved(project, hashes, tmp_path, monkeypatch):
    """Validate parameters, and resolve them."""
    monkeypatch.setattr(code, "PROJECT", project)
    monkeypatch.setattr(code, "hashes", hashes)
    monkeypatch.setattr(systems, "__path__", [str(project / "src/vdg/systems")])

    def check(params):
        path = tmp_path / "params.yaml"
        path.write_text(yaml.safe_dump(params, sort_keys=False))
        return resolve.resolve(config.load(path))

    return check


@pages(lambda page: "-S " in page.read_text())
def test_overrides_are_accepted(page, resolved):
    for command in commands(page):
        params = copy.deepcopy(documented(page))
        given = re.findall(r"-S '?(\+?[\w.-]+)=([^'\s]+)", command)
        for key, value in given:
            override(params, key, value)
        if given:
            resolved(params)


@pages(lambda page: fences(page, "yaml"))
def test_sections_are_accepted(page, resolved):
    params = copy.deepcopy(documented(page))
    compared = {name for name, network in params["network"].items() if network.get("kind")}
    for listed in ("dataset", "network", "variant"):
        params[f"{listed}s"] = [name for name in params[listed] if name not in compared]
    resolved(params)


# --- examples -------------------------------------------------------------------------------------


@pages(lambda page: fences(page, "python"))
def test_python_imports_what_there_is(page):
    for block in fences(page, "python"):
        for node in ast.walk(ast.parse(block)):
            # torchreid is in an environment of its own, where bench/reid_loaders.py runs the block
            if isinstance(node, ast.ImportFrom) and node.module != "torchreid.reid":
                module = importlib.import_module(node.module)
                assert all(hasattr(module, alias.name) for alias in node.names)


def test_the_system_that_is_shown_is_the_one_that_is_tested():
    assert TOY.strip() in (ROOT / "docs/extending.md").read_text()


def test_every_bundled_pose_is_listed():
    assert set(NAMED_POSES) <= set(spans(prose(ROOT / "docs/own-images.md")))
