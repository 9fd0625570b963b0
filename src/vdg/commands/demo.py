"""Serve a page to try the models: pick a person, drag the joints of a pose, see the result."""

import argparse
import os
import sys
from pathlib import Path

from vdg import cli
from vdg.errors import InputError
from vdg.inference.private_folder import private_folder
from vdg.inference.transfer import PHOTOGRAPHS, RENDERED, model_file

LOCAL = ("127.0.0.1", "localhost", "::1")
PASSWORD = "VDG_PASSWORD"
SESSIONS = 64  # whose state is kept; an older visitor is told to reload the page
SHORTEST = 8  # characters of a password; the server does not slow down who guesses


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--model", type=model_file, nargs="+", metavar="FILE", help="photographs and rendered are "
        "models that come with vdg; default: all that are here")  # fmt: skip
    add("--device", type=cli.device, default="auto", help="auto, cpu, cuda, cuda:1, mps")
    add("--host", default="127.0.0.1", help="default: %(default)s, this machine alone")
    add("--port", type=int, default=7860)
    add(
        "--login",
        metavar="NAME",
        help=f"ask for this name and the password in {PASSWORD}, an environment variable, or in "
        "--password-file",
    )
    add("--password-file", type=Path, metavar="FILE", help="whose first line is the password")
    args = parser.parse_args()
    if args.password_file and not args.login:
        parser.error("--password-file goes with --login")
    with private_folder() as folder:  # uploads and results
        os.environ["GRADIO_TEMP_DIR"] = str(folder)
        serve(args)


def serve(args: argparse.Namespace) -> None:
    try:
        import gradio

        from vdg.inference import demo
    except ImportError as error:
        raise InputError(
            f"the page needs {error.name}: pip install -r requirements-demo.txt"
        ) from error

    login = (args.login, password(args.password_file)) if args.login else None
    choices = demo.named(args.model) if args.model else {}
    choices = choices or demo.models_here([RENDERED, PHOTOGRAPHS], Path("models"))
    studio = demo.Studio(choices, args.device)
    for name in choices:
        studio.model(name)  # report a damaged model now, not on the page
    if args.host not in LOCAL:
        warn(args)
    # system fonts: the theme's default fonts are downloaded
    theme = gradio.themes.Base(font=["sans-serif"], font_mono=["monospace"])
    # one call per event type at a time; up to 32 wait, further ones are rejected
    page = demo.build(studio).queue(default_concurrency_limit=1, max_size=32)
    try:
        page.launch(
            server_name=args.host,
            server_port=args.port,
            auth=login,
            share=False,  # no public link, even if GRADIO_SHARE is set
            run_history=False,
            enable_monitoring=False,
            max_file_size="20mb",
            state_session_capacity=SESSIONS,
            app_kwargs={"exception_handlers": {KeyError: demo.unknown_event}},
            theme=theme,
            footer_links=[],
        )
    except OSError as error:
        raise InputError(
            f"cannot bind to {args.host}:{args.port}; choose another with --port"
        ) from error
    except ValueError as error:  # gradio calls its own page, with a short patience
        raise InputError(
            f"{args.host}:{args.port} does not answer this machine itself, which is busy or sends "
            "local addresses to a proxy (set NO_PROXY=localhost,127.0.0.1): try again"
        ) from error


def password(file: Path | None) -> str:
    """The password of --login, which a command line would show to every user of the machine.

    Raises InputError where there is none, or one that is easily guessed.
    """
    try:
        # editors of Windows begin a file with a byte order mark
        text = file.read_text(encoding="utf-8-sig") if file else os.environ.get(PASSWORD, "")
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read --password-file {file}: {error}") from error
    first = text.split("\n")[0].strip()
    if len(first) < SHORTEST:
        raise InputError(
            f"--login: {file or PASSWORD} holds no password of at least {SHORTEST} characters"
        )
    return first


def warn(args: argparse.Namespace) -> None:
    """Say who may reach the page from other machines."""
    danger = (
        "the password and all pictures travel unencrypted"
        if args.login
        else "whoever reaches it can use the page and this machine's time; --login asks for a "
        "password"
    )
    print(
        f"warning: {args.host}:{args.port} is open to others: {danger}. To use the page from afar "
        f"yourself, leave --host out and run there: ssh -N -L "
        f"{args.port}:127.0.0.1:{args.port} THIS-MACHINE",
        file=sys.stderr,
    )
