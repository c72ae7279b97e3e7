"""Choices that bytes make: the same bytes make the same choices, and smaller ones simpler choices."""

from collections.abc import Sequence
from typing import TypeVar

Option = TypeVar("Option")


class Chance:
    """Each choice takes a byte; once they are used up, every choice is the first and simplest.

    So Hypothesis finds the simplest document of a difference by taking bytes away, and a benchmark takes random bytes.
    """

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._place = 0

    def one_of(self, options: Sequence[Option]) -> Option:
        """One of at most 256 options."""
        return options[self._byte() * len(options) >> 8]

    def some_of(self, options: Sequence[Option], most: int) -> list[Option]:
        """One option at least, `most` at most, none twice, in any order."""
        left = list(options)
        return [left.pop(self._byte() * len(left) >> 8) for _ in range(min(self.between(1, most), len(left)))]

    def between(self, least: int, most: int) -> int:
        """A number from `least` to `most`."""
        return least + (self._byte() * (most - least + 1) >> 8)

    def happens(self, percent: int) -> bool:
        """Whether something happens that does in so many of a hundred cases."""
        return self._byte() * 100 >= (100 - percent) * 256

    def _byte(self) -> int:
        self._place += 1
        return self._content[self._place - 1] if self._place <= len(self._content) else 0
