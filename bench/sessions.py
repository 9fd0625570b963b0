"""The memory of `vdg demo` while visitors come: each opens the page, and uploads a picture.

    python -m bench.sessions [--visitors 400] [--side 1024] [--model FILE]

Prints the resident memory of the server after every 25 visitors.
"""

import argparse
import io
import json
import re
import socket
import subprocess
import sys
import uuid
from pathlib import Path

import requests
from PIL import Image

EVERY = 25


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--visitors", type=int, default=400)
    parser.add_argument("--side", type=int, default=1024, help="pixels of an upload: %(default)s")
    parser.add_argument("--model", help="default: those that `vdg demo` offers by itself")
    args = parser.parse_args()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "vdg", "demo", "--device", "cpu", "--port", str(port)]
    command += ["--model", args.model] if args.model else []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            for line in server.stdout:
                if "public link" in line:  # the last words of its start
                    break
            address = f"http://127.0.0.1:{port}"
            config = requests.get(f"{address}/config", timeout=60).json()
            print("visitors  memory/MB")
            for count in range(args.visitors + 1):
                if count % EVERY == 0:
                    print(f"{count:8}  {resident(server.pid):9.0f}", flush=True)
                visit(address, config, args.side)
        finally:
            server.terminate()


def resident(process: int) -> float:
    """Megabytes of memory of a process."""
    status = Path(f"/proc/{process}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) / 1000


def visit(address: str, config: dict, side: int) -> None:
    """What the page's own script does: the first person, a pose, a picture, and two results.

    side: height and width of the picture, in pixels.
    """
    session = uuid.uuid4().hex
    model = next(c["props"]["value"] for c in config["components"] if c["type"] == "dropdown")
    by_name = {event["api_name"]: event for event in config["dependencies"]}
    _, source = call(address, session, by_name["wrapped"], [model])
    (target,) = call(address, session, by_name["pose"], ["walk", 0, model])
    call(address, session, by_name["draw"], [model, None, source, target])
    picture = io.BytesIO()
    Image.effect_noise((side, side), 64).save(picture, "PNG")
    files = {"files": ("picture.png", picture.getvalue())}
    (path,) = requests.post(f"{address}/gradio_api/upload", files=files, timeout=60).json()
    file = {"path": path, "meta": {"_type": "gradio.FileData"}}
    _, source = call(address, session, by_name["upload"], [file, model])
    call(address, session, by_name["draw"], [model, None, source, target])


def call(address: str, session: str, event: dict, data: list) -> list:
    """The answer of a handler."""
    body = {"data": data, "fn_index": event["id"], "session_hash": session}
    requests.post(f"{address}/gradio_api/queue/join", json=body, timeout=60).raise_for_status()
    told = requests.get(
        f"{address}/gradio_api/queue/data",
        params={"session_hash": session},
        stream=True,
        timeout=60,
    )
    for line in told.iter_lines():
        message = json.loads(line.removeprefix(b"data: ") or "{}")
        if message.get("msg") == "process_completed":
            if not message["success"]:
                raise SystemExit(message["output"])
            return message["output"]["data"]
    raise SystemExit("no answer")


if __name__ == "__main__":
    main()
