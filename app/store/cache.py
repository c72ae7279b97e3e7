"""What a process keeps of the database in memory, and forgets as soon as any process says that it changed."""

import time
from collections import OrderedDict, defaultdict
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from datetime import timedelta
from typing import Generic, TypeVar

from app.store.notification import Listener

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Found(Generic[Value]):
    """What was read: the value, what it rests on in the words of the channel, and how long it holds at most."""

    value: Value
    rests_on: frozenset[str]
    lasts: timedelta | None = None


@dataclass(frozen=True, slots=True)
class _Entry(Generic[Value]):
    found: Found[Value]
    ends_at: int
    """By the monotonic clock, in nanoseconds."""


class NotifiedCache(Generic[Key, Value]):
    """A bounded cache over one channel: what is said there names what has changed, and all that rests on it goes.

    It gives nothing while the listener is not trusted. `kept` is a backstop: nothing is given for longer. What was
    not found is not kept, so that nobody can fill the cache with guesses.
    """

    def __init__(self, listener: Listener, channel: str, *, kept: timedelta, entries_max: int) -> None:
        self._listener = listener
        self._kept = kept
        self._entries_max = entries_max
        self._entries: OrderedDict[Key, _Entry[Value]] = OrderedDict()
        self._resting_on: defaultdict[str, set[Key]] = defaultdict(set)
        self._changes = 0
        listener.subscribe(channel, self._forget, self._clear)

    def get(self, key: Key) -> Value | None:
        """What is kept under the key, if it may be used now."""
        entry = self._entries.get(key)
        if entry is None or not self._listener.trusted:
            return None
        if time.monotonic_ns() >= entry.ends_at:
            self._drop(key)
            return None
        self._entries.move_to_end(key)
        return entry.found.value

    async def fetch(self, key: Key, read: Callable[[], Awaitable[Found[Value] | None]]) -> Value | None:
        """What is kept, else what `read` finds, which is kept unless something changed meanwhile."""
        known = self.get(key)
        if known is not None:
            return known
        trusted, changes = self._listener.trusted, self._changes
        found = await read()
        if found is None:
            return None
        if trusted and self._listener.trusted and changes == self._changes:
            self._keep(key, found)
        return found.value

    def _keep(self, key: Key, found: Found[Value]) -> None:
        self._drop(key)
        kept = self._kept if found.lasts is None else min(self._kept, found.lasts)
        self._entries[key] = _Entry(found, time.monotonic_ns() + kept // timedelta(microseconds=1) * 1_000)
        for what in found.rests_on:
            self._resting_on[what].add(key)
        if len(self._entries) > self._entries_max:
            self._drop(next(iter(self._entries)))

    def _drop(self, key: Key) -> None:
        entry = self._entries.pop(key, None)
        for what in entry.found.rests_on if entry is not None else ():
            self._resting_on[what].discard(key)
            if not self._resting_on[what]:
                del self._resting_on[what]

    def _forget(self, changed: str) -> None:
        self._changes += 1
        for key in list(self._resting_on.get(changed, ())):
            self._drop(key)

    def _clear(self) -> None:
        self._changes += 1
        self._entries.clear()
        self._resting_on.clear()
