"""Prepare the next step's data while this step's are used."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

T = TypeVar("T")


class Ahead(Generic[T]):
    """A function of a step, whose value for the next step a thread computes in advance.

    make: step -> value, without other state. An error that it raises is raised for its step.
    """

    def __init__(self, make: Callable[[int], T]):
        self._make, self._thread = make, ThreadPoolExecutor(1, "ahead")
        self._waiting: dict[int, Future[T]] = {}

    def __call__(self, step: int) -> T:
        future = self._waiting.get(step) or self._thread.submit(self._make, step)
        self._waiting = {step + 1: self._thread.submit(self._make, step + 1)}
        return future.result()
