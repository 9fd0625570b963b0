"""Serve a page to try the models: pick a person, drag the joints of a pose, see the result."""

import argparse
from pathlib import Path

from vdg import cli
from vdg.errors import InputError
from vdg.transfer import PRETRAINED


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--model", type=Path, nargs="+", metavar="FILE", help="default: all that are here")
    add("--device", default="auto")
    add("--host", default="127.0.0.1", help="default: %(default)s, this machine alone")
    add("--port", type=int, default=7860)
    add("--estimate", action="store_true", help="find the joints of uploads with Keypoint R-CNN")
    args = parser.parse_args()
    try:
        import gradio

        from vdg import demo
    except ImportError as error:
        raise InputError(
            f"the page needs {error.name}: pip install -r requirements-demo.txt"
        ) from error

    choices = {str(path): path for path in args.model or []}
    choices = choices or demo.models_here(PRETRAINED, Path("models"))
    page = demo.build(demo.Studio(choices, args.device, args.estimate))
    # fonts of the system: the theme's own would come from the network
    theme = gradio.themes.Base(font=["sans-serif"], font_mono=["monospace"])
    page.launch(server_name=args.host, server_port=args.port, theme=theme, footer_links=[])


if __name__ == "__main__":
    cli.run(main)
