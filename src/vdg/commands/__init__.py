"""The command `vdg`: what it does beside the pipeline, each in a module of this folder."""

import difflib
import importlib
import sys

from vdg import cli

COMMANDS = {
    "generate": "the person of a picture in another pose, or in the poses of a motion",
    "score": "metrics of a folder of generated pictures, of any system",
    "augment": "more pictures of people, with Market-1501's names, for re-identification",
    "keypoints": "key points of any tool as CSV, OpenPose's or COCO's JSON, and drawn",
    "people": "a folder of rendered people, to try things out",
    "demo": "a page to try the models: pick a person, drag the joints of a pose",
    "export": "a trained model in half precision, as an ONNX file, or on a page",
    "estimator": "fetch MoveNet, which estimates key points",
}


def main() -> None:
    """Run `vdg NAME ...`: the module of that name in this folder."""
    name, *rest = sys.argv[1:] or ["--help"]
    if name in ("-h", "--help"):
        print(help_text())
    elif name in COMMANDS:
        sys.argv = [f"vdg {name}", *rest]  # what argparse calls the program
        cli.imports_follow()
        command = importlib.import_module(f"vdg.commands.{name}")
        cli.run(command.main)
    else:
        close = difflib.get_close_matches(name, COMMANDS, 1)
        hint = f"did you mean {close[0]}?" if close else f"one of {', '.join(COMMANDS)}"
        sys.exit(f"error: vdg {name}: no such command; {hint}")


def help_text() -> str:
    """What `vdg --help` prints."""
    lines = [f"  {name:<10} {about}" for name, about in COMMANDS.items()]
    return "\n".join(
        [
            "usage: vdg COMMAND [options]",
            "",
            "Pose-guided images of people by the View-Disentangled Generator.",
            "",
            *lines,
            "",
            "vdg COMMAND --help lists its options. The pipeline itself is run by dvc repro.",
        ]
    )
