"""What a server costs: CPU of its own and of PostgreSQL's backends apart, answers a second, waiting, memory."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median, quantiles

import asyncpg

from bench.client import Heard, Request, ask_for
from bench.dashboard.servers import Running

PROC = Path("/proc")


@dataclass(slots=True)
class Cost:
    """What was measured of a server; lists have an item for each turn, `waits` one for each answer, in seconds."""

    server_cpu: list[float] = field(default_factory=list)
    database_cpu: list[float] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)
    memory_bytes: int = 0

    def against(self, other: "Cost") -> str:
        """How much of another's CPU it takes: the median of the rounds, in which both had a turn, and their spread."""
        ratios = self._ratios(other)
        return f"{median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"

    def share(self, other: "Cost") -> float:
        """The median alone."""
        return median(self._ratios(other))

    def _ratios(self, other: "Cost") -> list[float]:
        return [mine / others for mine, others in zip(self.server_cpu, other.server_cpu, strict=True)]

    @property
    def median_ms(self) -> float:
        """The server's CPU for an answer, in milliseconds: the median of the turns."""
        return median(self.server_cpu) * 1000

    def row(self) -> str:
        """The cells of a table: CPU with its smallest and largest turn, PostgreSQL's, rate, p50, p99, memory."""
        cuts = quantiles(self.waits, n=100)
        low, high = min(self.server_cpu) * 1000, max(self.server_cpu) * 1000
        return (
            f"{self.median_ms:.2f} ({low:.2f} to {high:.2f}) | {median(self.database_cpu) * 1000:.2f}"
            f" | {median(self.rates):,.0f} | {cuts[49] * 1000:.1f} | {cuts[98] * 1000:.1f}"
            f" | {self.memory_bytes / 2**20:,.0f} |"
        )


@dataclass(frozen=True, slots=True)
class Contestant:
    """A server and what it is asked, in turn."""

    running: Running
    requests: Sequence[Request]


class Meter:
    """Runs turns and adds up what they cost. One server is asked at a time, so the backends that work are its own."""

    def __init__(self, administrator: asyncpg.Connection, *, connections: int, seconds: float) -> None:
        self._administrator = administrator
        self._connections = connections
        self._seconds = seconds

    async def rounds(self, contestants: Sequence[Contestant], count: int) -> dict[str, Cost]:
        """Warm up, then that many rounds, each in the opposite order of the one before."""
        costs = {contestant.running.kind.name: Cost() for contestant in contestants}
        for contestant in contestants:
            await self._ask(contestant)
        for number in range(count):
            for contestant in contestants if number % 2 == 0 else reversed(contestants):
                await self._turn(contestant, costs[contestant.running.kind.name])
        return costs

    async def _ask(self, contestant: Contestant) -> Heard:
        heard = await ask_for(contestant.requests, connections=self._connections, seconds=self._seconds)
        return heard.all_answered()

    async def _turn(self, contestant: Contestant, cost: Cost) -> None:
        server_before = _cpu_seconds(_with_children(contestant.running.pid))
        database_before = await self._database_cpu()
        began = time.perf_counter()
        heard = await self._ask(contestant)
        elapsed = time.perf_counter() - began
        server_after = _cpu_seconds(_with_children(contestant.running.pid))
        database_after = await self._database_cpu()
        answers = len(heard.seconds)
        cost.server_cpu.append((sum(server_after.values()) - sum(server_before.values())) / answers)
        # A backend that ended meanwhile is not counted; one that began is, from its beginning.
        worked = (seconds - database_before.get(pid, 0.0) for pid, seconds in database_after.items())
        cost.database_cpu.append(sum(worked) / answers)
        cost.rates.append(answers / elapsed)
        cost.waits += heard.seconds
        cost.memory_bytes = sum(_resident(pid) for pid in _with_children(contestant.running.pid))

    async def _database_cpu(self) -> dict[int, float]:
        rows = await self._administrator.fetch(
            "select pid from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
        )
        return _cpu_seconds(row[0] for row in rows)


def _cpu_seconds(pids: Iterable[int]) -> dict[int, float]:
    """How long each process ran on a processor so far, all its threads together."""
    found = {}
    for pid in pids:
        threads = list((PROC / str(pid) / "task").glob("*/schedstat"))
        found[pid] = sum(int(thread.read_text().split()[0]) for thread in threads) / 1e9
    return found


def _with_children(pid: int) -> list[int]:
    children = (PROC / str(pid) / "task" / str(pid) / "children").read_text().split()
    return [pid, *(each for child in children for each in _with_children(int(child)))]


def _resident(pid: int) -> int:
    fields = dict(line.split(":", 1) for line in (PROC / str(pid) / "status").read_text().splitlines())
    return int(fields["VmRSS"].split()[0]) * 1024
