"""What a user is meant to read."""

import signal


class InputError(Exception):
    """Something the user gave is wrong: the message says what, where, and what to do.

    Stages print it as one line and exit with status 1; any other exception is a bug and
    keeps its traceback.
    """


class StoppedError(Exception):
    """A run was asked to stop by a signal; its checkpoint is written."""

    def __init__(self, signum: int):
        self.exit_code = 128 + signum  # the shell's convention
        super().__init__(f"stopped by {signal.Signals(signum).name} after a checkpoint")
