"""Processes that train together, forked by one that has imported torch and not used it yet: each
start of their own would take seconds."""

import os
import socket
import sys
import traceback
from collections.abc import Callable

import torch


def together(work: Callable[[], None], size: int) -> list[int]:
    """Call `work` in `size` processes, as torchrun would start them. Returns their statuses."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    world = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": str(size)}
    children = []
    torch.optim.Adam([torch.zeros(1, requires_grad=True)]).step()  # imports what they all need
    for rank in map(str, range(size)):
        child = os.fork()
        if not child:
            os.environ |= world | {"RANK": rank, "LOCAL_RANK": rank}
            os._exit(_status(work))
        children.append(child)
    return [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]


def _status(work: Callable[[], None]) -> int:
    try:
        work()
    except BaseException:
        traceback.print_exc()
        return 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    return 0
