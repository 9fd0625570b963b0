"""Exceptions whose messages are shown to the user."""

import signal


class InputError(Exception):
    """Invalid user input. The message states what is wrong, where, and the remedy.

    Stages print it as one line and exit with status 1. Any other exception is a bug and
    keeps its traceback.
    """


class StoppedError(Exception):
    """A signal stopped the run, after it saved a checkpoint."""

    def __init__(self, signum: int):
        self.exit_code = 128 + signum  # the shell's convention
        super().__init__(f"stopped by {signal.Signals(signum).name} after a checkpoint")
