"""The page of metrics that Prometheus reads; nothing here is loaded where no port is set.

Several processes that serve one port write what they count into files of a shared folder, and their parent adds it up.
Of organizations only the busiest are shown.
"""

import os
import re
import tempfile
from collections import Counter as Tally
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample as Figure

from app.metrics import ORGANIZATION_LABEL, OTHER
from app.settings import MetricsSettings

FOLDER_VARIABLE: Final = "PROMETHEUS_MULTIPROC_DIR"
"""Where prometheus-client keeps what several processes count; read when it is imported."""

_LIVE: Final = re.compile(r"gauge_live\w+_([0-9]+)\.db")


def own_registry() -> CollectorRegistry | None:
    """Where this process counts: in a registry of its own, or in its parent's folder (None)."""
    return None if FOLDER_VARIABLE in os.environ else CollectorRegistry()


@contextmanager
def shared_folder() -> Generator[Path]:
    """A folder in which processes that are started meanwhile count together."""
    with tempfile.TemporaryDirectory(prefix="tallygate-metrics-") as name:
        os.environ[FOLDER_VARIABLE] = name
        try:
            yield Path(name)
        finally:
            del os.environ[FOLDER_VARIABLE]


@contextmanager
def exposed(settings: MetricsSettings, source: CollectorRegistry | Path) -> Generator[None]:
    """Serve /metrics meanwhile, in a thread of its own. `source` is a registry, or the folder of several processes."""
    collector = source if isinstance(source, CollectorRegistry) else _OfProcesses(source)
    shown = CollectorRegistry()
    shown.register(_Folded(collector, settings.metrics_organizations))
    server, thread = start_http_server(settings.metrics_port, settings.metrics_host, registry=shown)
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join(timeout=1)


class _OfProcesses(Collector):
    """What several processes counted; of those that are gone what they did, and not how they are."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._collector = MultiProcessCollector(None, str(folder))

    def collect(self) -> Iterable[Metric]:
        for file in self._folder.iterdir():
            found = _LIVE.fullmatch(file.name)
            if found is not None and not _is_running(int(found[1])):
                file.unlink(missing_ok=True)
        return self._collector.collect()


def _is_running(process_id: int) -> bool:
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    return True


class _Folded(Collector):
    """What another collector gives, with all organizations but the busiest taken together."""

    def __init__(self, inner: Any, most: int) -> None:
        self._inner = inner
        self._most = most

    def collect(self) -> Iterable[Metric]:
        families: Sequence[Metric] = list(self._inner.collect())
        shown = self._busiest(families)
        for family in families:
            if any(ORGANIZATION_LABEL in sample.labels for sample in family.samples):
                family.samples = _folded(family.samples, shown)
            yield family

    def _busiest(self, families: Sequence[Metric]) -> set[str]:
        requests: Tally[str] = Tally()
        for family in families:
            if family.name == "tallygate_organization_requests":
                requests.update({sample.labels[ORGANIZATION_LABEL]: sample.value for sample in family.samples})
        requests.pop(OTHER, None)
        return {name for name, _ in requests.most_common(self._most)}


def _folded(samples: Iterable[Figure], shown: set[str]) -> list[Figure]:
    together: dict[tuple[str, str], float] = {}
    for sample in samples:
        name = sample.labels[ORGANIZATION_LABEL]
        key = sample.name, name if name in shown else OTHER
        together[key] = together.get(key, 0) + sample.value
    return [Figure(name, {ORGANIZATION_LABEL: organization}, value) for (name, organization), value in together.items()]
