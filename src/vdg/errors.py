"""The one exception a user is meant to read."""


class InputError(Exception):
    """Something the user gave is wrong: the message says what, where, and what to do.

    Stages print it as one line and exit with status 1; any other exception is a bug and
    keeps its traceback.
    """
