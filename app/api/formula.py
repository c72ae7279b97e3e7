"""A cost as a formula over an operation's variables: a sum of products of numbers, page sizes, lengths, conditions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from app.api.pagination import PAGE_DEFAULT, PAGE_MAX

LENGTH_MAX: Final = 1_000


class Factor(Protocol):
    """What a part of a cost is multiplied by, known once the variables are."""

    def value(self, variables: Mapping[str, Any]) -> int:
        """How often the part counts."""
        ...


@dataclass(frozen=True, slots=True)
class Given:
    """An argument: what the document says, or the variable that says it and what it is where that is left out."""

    constant: Any = None
    variable: str | None = None

    def value(self, variables: Mapping[str, Any]) -> Any:
        """The argument; None where it is left out."""
        return self.constant if self.variable is None else variables.get(self.variable, self.constant)


@dataclass(frozen=True, slots=True)
class PageSize:
    """`first`, else `last`, else 20."""

    first: Given
    last: Given

    def value(self, variables: Mapping[str, Any]) -> int:
        """How many rows a page may hold; what is out of bounds is refused by the field itself."""
        for argument in (self.first, self.last):
            size = argument.value(variables)
            if type(size) is int:
                return min(max(size, 0), PAGE_MAX)
        return PAGE_DEFAULT


@dataclass(frozen=True, slots=True)
class Length:
    """The items of a list, `of` at a time; the list is the argument, or lies below it at `path`."""

    list: Given
    path: tuple[str, ...]
    of: int

    def value(self, variables: Mapping[str, Any]) -> int:
        """How many, rounded up; a single item counts as a list of one."""
        found = self.list.value(variables)
        for name in self.path:
            found = found.get(name) if isinstance(found, Mapping) else None
        length = len(found) if isinstance(found, list | tuple) else 1
        return -(-min(length, LENGTH_MAX) // self.of)


@dataclass(frozen=True, slots=True)
class Condition:
    """1 where a variable says what is wanted, else 0."""

    given: Given
    wanted: bool

    def value(self, variables: Mapping[str, Any]) -> int:
        """Whether the part counts at all."""
        return int(self.given.value(variables) is self.wanted)


Factors = tuple[Factor, ...]
Sum = dict[Factors, int]


class Cost:
    """A sum of products: numbers, page sizes, lengths and conditions. Most are a single number."""

    __slots__ = ("_constant", "_terms")

    def __init__(self, terms: Sum) -> None:
        self._constant = terms.get((), 0)
        self._terms = [(number, factors) for factors, number in terms.items() if factors]

    def of(self, variables: Mapping[str, Any] | None) -> int:
        """The points, for these variables: one at least."""
        total = self._constant
        for number, factors in self._terms:
            for factor in factors:
                number *= factor.value(variables or {})  # noqa: PLW2901 - the product
            total += number
        return max(total, 1)


def plus(terms: Sum, number: int) -> Sum:
    """A sum and a number."""
    return {**terms, (): terms.get((), 0) + number}


def joined(one: Sum, other: Sum) -> Sum:
    """Two sums, as a new one."""
    total = dict(one)
    add(total, other)
    return total


def add(total: Sum, terms: Sum) -> None:
    """Add to a sum, in place."""
    for factors, number in terms.items():
        if number:
            total[factors] = total.get(factors, 0) + number


def times(terms: Sum, *by: Factor) -> Sum:
    """Multiply; a condition counts once, however often it is set, and a page of a known size is a number."""
    for factor in by:
        fixed = _fixed(factor)
        product: Sum = {}
        for factors, number in terms.items():
            if fixed is not None:
                add(product, {factors: number * fixed})
            elif isinstance(factor, Condition) and factor in factors:
                add(product, {factors: number})
            else:
                add(product, {(*factors, factor): number})
        terms = product
    return terms


def _fixed(factor: Factor) -> int | None:
    """What a factor is where no variable takes part in it."""
    match factor:
        case PageSize(first=Given(variable=None), last=Given(variable=None)) | Length(list=Given(variable=None)):
            return factor.value({})
        case _:
            return None


def dearest(sums: Sequence[Sum]) -> Sum:
    """The largest of sums, term by term: never less than any of them."""
    total: Sum = {}
    for terms in sums:
        for factors, number in terms.items():
            total[factors] = max(total.get(factors, 0), number)
    return total
