"""What of the workspace and of dvc.lock belongs to no run in params.yaml."""

import itertools
from pathlib import Path

import pytest
import yaml
from conftest import ROOT

from vdg import config, workspace
from vdg.errors import InputError


@pytest.fixture(scope="module")
def params():
    return config.load(ROOT / "params.yaml")


def listed(kind, params):
    """Paths of dvc.yaml's stages, their templates filled in: kind is deps or outs."""
    found = set()
    for stage in yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"].values():
        entries = stage[kind] + (stage.get("plots", []) if kind == "outs" else [])
        entries = [entry if isinstance(entry, str) else next(iter(entry)) for entry in entries]
        matrix = stage.get("matrix", {})
        for values in itertools.product(*(getattr(params, f"{key}s") for key in matrix)):
            for entry in entries:
                for key, value in zip(matrix, values, strict=True):
                    entry = entry.replace(f"${{item.{key}}}", str(value))
                found.add(Path(entry))
    return found


def test_what_every_stage_writes_is_named(params):
    """The folders that stages depend on hold outputs of stages, which are named, and no more."""
    outs = listed("outs", params)
    folders = [
        path for path in listed("deps", params) - outs if any(path in o.parents for o in outs)
    ]
    assert {folder.parts[0] for folder in folders} == {"losses", "scores", "models"}
    written = {out for out in outs if any(folder in out.parents for folder in folders)}
    named = workspace.named(params)
    assert all(out in named or out.parent in named for out in written)
    assert all(name in written or any(name in out.parents for out in written) for name in named)
    for name in named:
        assert any(name.match(form) for form in workspace.SHARED)


def test_what_no_run_writes_is_moved(params, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    strange = [
        *("losses/synthetic/old-0.csv", "losses/other/full-0.csv", "losses/synthetic/.swp"),
        *("scores/synthetic/full-1", "models/synthetic/stage1-0/pg2"),
    ]
    own = [str(path) for path in workspace.named(params)]
    # a variant's model is in no folder that a stage depends on
    own += ["models/synthetic/old-0"]
    for path in (*own, *strange):
        Path(path).mkdir(parents=True)
    for time in range(2):  # the second replaces what was moved before
        for path in strange:
            Path(path, f"file-{time}").parent.mkdir(exist_ok=True)
            Path(path, f"file-{time}").write_text("")
        assert sorted(map(str, workspace.set_aside(params))) == sorted(strange)
        assert not [path for path in strange if Path(path).exists()]
        assert all(Path(path).is_dir() for path in own)
        for path in strange:
            assert [f.name for f in (workspace.UNUSED / path).iterdir()] == [f"file-{time}"]
    assert workspace.set_aside(params) == []


def test_what_cannot_be_moved(params, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("scores/synthetic/old-0").mkdir(parents=True)
    Path(".scratch").write_text("")
    with pytest.raises(InputError, match=r"cannot move scores/synthetic/old-0 to .scratch/unused"):
        workspace.set_aside(params)


def test_entries_of_other_stages_leave_the_lock(tmp_path):
    text = (ROOT / "dvc.lock").read_text()
    lock = tmp_path / "dvc.lock"
    lock.write_text(text)
    whole = yaml.safe_load(text)
    stages = set(whole["stages"])
    workspace.forget(lock, stages | {"evaluate@synthetic-none-0"})
    assert lock.read_text() == text
    kept = {name for name in stages if "full" not in name and not name.startswith("download")}
    workspace.forget(lock, kept)
    left = {name: whole["stages"][name] for name in whole["stages"] if name in kept}
    assert 3 < len(left) < len(stages)
    assert yaml.safe_load(lock.read_text()) == whole | {"stages": left}
    workspace.forget(tmp_path / "none", stages)
    assert not (tmp_path / "none").exists()
