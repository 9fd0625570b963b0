"""The command line in the process of the tests, which saves a new process's imports."""

import sys
from typing import NamedTuple

import pytest

from vdg import cli, commands


class Done(NamedTuple):
    """What a command ended with, and what it said."""

    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def call(monkeypatch, capsys):
    """Call a `main` that reads sys.argv: call(main, *arguments)."""

    def run(main, *arguments) -> Done:
        monkeypatch.setattr(sys, "argv", ["command", *map(str, arguments)])
        code, last = 0, ""
        try:
            main()
        except SystemExit as stop:
            code, last = (1, f"{stop.code}\n") if isinstance(stop.code, str) else (stop.code, "")
        shown = capsys.readouterr()
        return Done(code or 0, shown.out, shown.err + last)

    return run


@pytest.fixture
def vdg(call):
    """Run `vdg NAME ...`: vdg("generate", *arguments)."""
    return lambda *arguments: call(commands.main, *arguments)


@pytest.fixture
def stage(call):
    """Run `python -m stages.NAME`: stage(stages.resolve, *arguments)."""
    return lambda module, *arguments: call(lambda: cli.run(module.main), *arguments)
