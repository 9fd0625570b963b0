"""The hash of a run's code: it moves with all that runs and rests with all that does not."""

import shutil
import sys
import types

import pytest

from vdg import code, systems
from vdg.errors import InputError

BEFORE = '''"""What it does."""

import base
from base import LIMIT

RATES = [1, 2.5, -3]
"""The rates."""
TEXT = """a

b"""


class A(base.Layer):
    "in one line"
    size: int = 4

    def f(self, x, rate=1, *, w: float = 0.5): return f"{x:{rate}} of {self.size}" * rate


@base.cached
def g(x):
    """Twice."""
    try:
        return x + 2 if x > 0 else None  # half
    except (KeyError, ValueError):
        raise
'''
SEEN = {
    "constant": ("RATES = [1,", "RATES = [9,"),
    "sign": ("-3", "3"),
    "type of a constant": ("2.5", "True"),
    "default argument": ("rate=1,", "rate=9,"),
    "keyword default": ("float = 0.5", "float = 0.6"),
    "class attribute": ("size: int = 4", "size: int = 5"),
    "annotation": ("size: int", "size: float"),
    "base class": ("base.Layer", "base.Block"),
    "decorator": ("@base.cached", "@base.once"),
    "one-line body": ("* rate\n", "* 2 * rate\n"),
    "text in an f-string": (" of {", " in {"),
    "expression in an f-string": ("self.size}", "self.width}"),
    "format in an f-string": ("{x:{rate}}", "{x:{w}}"),
    "blank line in a text": ("a\n\nb", "a\nb"),
    "trailing blank in a text": ("a\n\nb", "a \n\nb"),
    "line end in a text": ("a\n\nb", "a\n\nb\n"),
    "type of exception": ("ValueError", "TypeError"),
    "operator": ("x + 2", "x - 2"),
    "comparison": ("x > 0", "x >= 0"),
    "imported name": ("import LIMIT", "import LEAST"),
    "returned value": ("else None", "else 0"),
    "raised": ("raise\n", "pass\n"),
    "name": ("def g", "def h"),
    "order": ("import base\nfrom base import LIMIT", "from base import LIMIT\nimport base"),
}
NOT_SEEN = {
    "comment": ("# half", "# a third"),
    "docstring of the module": ("What it does", "What else it does"),
    "docstring of a function": ("Twice", "Thrice"),
    "docstring in one line": ("in one line", "in another"),
    "text after a variable": ("The rates", "These rates"),
    "blank lines": ("class A", "\n\n\nclass A"),
    "quotes": ("(KeyError", "(  KeyError"),
    "wrapped line": ("[1, 2.5, -3]", "[\n    1,\n    2.5,\n    -3,\n]"),
    "parentheses": ("x + 2 if", "(x + 2) if"),
    "body on its own line": (": return f", ":\n        return f"),
    "number in another form": ("2.5", "2.50"),
    "trailing blanks": ("import base\n", "import base   \n"),
    "line ends": ("\n", "\r\n"),
}


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project of one module `vdg.a`, which imports `vdg.base`."""
    monkeypatch.setattr(code, "PROJECT", tmp_path)

    def write(files):
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text.encode())
        return tmp_path

    write({"src/vdg/__init__.py": "", "src/vdg/a.py": "x = 1\n", "stages/__init__.py": ""})
    return write


def of(module="vdg.a"):
    return code.hashes(module)


@pytest.mark.parametrize("edit", SEEN.values(), ids=SEEN)
def test_what_runs_moves_the_hash(project, edit):
    assert BEFORE.count(edit[0]) >= 1
    project({"src/vdg/a.py": BEFORE})
    before = of()
    project({"src/vdg/a.py": BEFORE.replace(*edit)})
    assert of() != before


@pytest.mark.parametrize("edit", NOT_SEEN.values(), ids=NOT_SEEN)
def test_prose_and_layout_do_not(project, edit):
    assert BEFORE.count(edit[0]) >= 1
    project({"src/vdg/a.py": BEFORE})
    before = of()
    project({"src/vdg/a.py": BEFORE.replace(*edit)})
    assert of() == before


def test_the_hash_is_the_same_on_every_python(project):
    """As found with 3.11, 3.12 and 3.13, whose syntax trees are not printed alike."""
    project({"src/vdg/a.py": BEFORE})
    assert of()["src/vdg/a.py"][:16] == "884a3a27c755bc89"


IMPORTS = {
    "absolute": ("import vdg.b", {"src/vdg/b.py": ""}),
    "of a name": ("from vdg.b import x", {"src/vdg/b.py": ""}),
    "of a module": ("from vdg import b", {"src/vdg/b.py": ""}),
    "relative": ("from .b import K", {"src/vdg/b.py": ""}),
    "relative, of a module": ("from . import b", {"src/vdg/b.py": ""}),
    "in a function": ("def f():\n    import vdg.b", {"src/vdg/b.py": ""}),
    "by a literal name": (
        'import importlib\nimportlib.import_module("vdg.b")',
        {"src/vdg/b.py": ""},
    ),
    "by __import__": ('__import__("vdg.b")', {"src/vdg/b.py": ""}),
    "a package beside vdg": ("import mynets.unet", {"src/mynets/unet.py": ""}),
    "its __init__": (
        "import mynets.unet",
        {"src/mynets/__init__.py": "", "src/mynets/unet.py": ""},
    ),
    "a parent's __init__": ("import vdg.p.q", {"src/vdg/p/__init__.py": "", "src/vdg/p/q.py": ""}),
    "a module beside vdg": ("import single", {"src/single.py": ""}),
    "what cli alone imports": (
        "import vdg.cli",
        {"src/vdg/b.py": "", "src/vdg/cli.py": "import vdg.b"},
    ),
    "data beside a module": ('open(__file__ + "/../t.csv")', {"src/vdg/t.csv": "1"}),
    "data below a module": ("from pathlib import Path\nPath(__file__)", {"src/vdg/d/t.json": "1"}),
}


@pytest.mark.parametrize(("line", "files"), IMPORTS.values(), ids=IMPORTS)
def test_every_import_is_followed(project, line, files):
    project({"src/vdg/a.py": line} | files)
    before = of()
    file = next(iter(files))
    change = "2" if not file.endswith(".py") else "changed = 1\n"
    project({file: change})
    assert of() != before
    assert file in of()


def test_a_folder_that_git_or_python_left_is_no_system(tmp_path, monkeypatch):
    (tmp_path / "pg2" / "__pycache__").mkdir(parents=True)
    monkeypatch.setattr(systems, "__path__", [str(tmp_path)])
    assert systems.module_name("pg2", "stage2") == "vdg.systems.pg2"
    (tmp_path / "pg2" / "stage1.py").write_text("")
    assert systems.module_name("pg2", "stage2") == "vdg.systems.pg2.stage2"


def test_a_package_comes_before_a_module_of_its_name(project):
    project({"src/vdg/a.py": "import vdg.b", "src/vdg/b.py": "", "src/vdg/b/__init__.py": ""})
    assert "src/vdg/b/__init__.py" in of()
    assert "src/vdg/b.py" not in of()


REFUSED = {
    "a slip": ("x = 1\ny = (", r"src/vdg/a.py, line 2: '\(' was never closed"),
    "computed name": ("import importlib\nimportlib.import_module(name)", "src/vdg/a.py, line 2"),
    "computed by __import__": ("__import__(name)", "src/vdg/a.py, line 1"),
    "a file as a module": ("run_path(name)", "computed"),
    "data elsewhere": ("from pathlib import Path\nPath(__file__).parents[1]", "outside its folder"),
    "data above": ("from pathlib import Path\nPath(__file__).parent.parent", "outside its folder"),
    "module of the root": ("import settings_of_mine", "move it into src/"),
}


@pytest.mark.parametrize(("lines", "said"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_followed_is_refused(project, lines, said):
    project({"src/vdg/a.py": lines, "settings_of_mine.py": "x = 1"})
    with pytest.raises(InputError, match=said):
        of()


def test_changed_files_are_refused(project):
    root = project({"src/vdg/a.py": "x = 1\n"})
    recorded = of()
    code.require_unchanged(recorded)
    project({"src/vdg/a.py": "x = 1  # in other words\n"})
    code.require_unchanged(recorded)
    project({"src/vdg/a.py": "x = 2\n"})
    with pytest.raises(InputError, match=r"src/vdg/a\.py is no longer the file"):
        code.require_unchanged(recorded)
    (root / "src/vdg/a.py").unlink()
    with pytest.raises(InputError, match=r"src/vdg/a\.py is no longer the file"):
        code.require_unchanged(recorded)


def test_what_was_imported_unseen_is_refused(project, monkeypatch):
    """Such as a module that was imported under a name which hides the import."""
    root = project({"src/vdg/a.py": "x = 1\n", "src/vdg/hidden.py": ""})
    recorded = of()
    hidden = types.ModuleType("vdg.hidden")
    hidden.__file__ = str(root / "src/vdg/hidden.py")
    monkeypatch.setitem(sys.modules, "vdg.hidden", hidden)
    with pytest.raises(InputError, match=r"src/vdg/hidden\.py was imported"):
        code.require_unchanged(recorded)


def test_what_was_edited_and_restored_while_it_was_imported_is_refused(project, monkeypatch):
    """What lies there again may not be what was imported. After the first check, edits may pass."""
    root = project({"src/vdg/a.py": "x = 1\n"})
    (root / "src/vdg/.#a.py").symlink_to("an editor's lock")
    monkeypatch.setattr(code, "_written", None)
    module = types.ModuleType("vdg.a")
    module.__file__ = str(root / "src/vdg/a.py")
    monkeypatch.setitem(sys.modules, "vdg.a", module)

    def edit_and_restore():
        project({"src/vdg/a.py": "x = 2\n"})
        project({"src/vdg/a.py": "x = 1\n"})

    recorded = of()
    code.remember()
    code.require_unchanged(recorded)
    edit_and_restore()
    code.require_unchanged(recorded)
    code.remember()
    edit_and_restore()
    with pytest.raises(InputError, match=r"src/vdg/a\.py was saved while this run began"):
        code.require_unchanged(recorded)


def test_the_project_itself_can_be_followed(tmp_path, monkeypatch):
    """Every file of the library can be hashed, and a copy elsewhere has the same hashes."""
    modules = [
        ".".join(path.relative_to(code.PROJECT / "src").with_suffix("").parts)
        for path in sorted((code.PROJECT / "src").rglob("*.py"))
        if not {"commands", "inference", "__init__.py", "__main__.py"} & set(path.parts)
    ]
    here = code.hashes(*modules)
    assert len(here) > 80
    for folder in ("src", "stages"):
        shutil.copytree(code.PROJECT / folder, tmp_path / folder)
    monkeypatch.setattr(code, "PROJECT", tmp_path)
    assert code.hashes(*modules) == here
