"""The version, in a file of its own: no result depends on it."""

__version__ = "0.2.0.dev0"
