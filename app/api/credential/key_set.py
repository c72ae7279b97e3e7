"""The identity provider's public keys: fetched from its JWKS address alone, kept, and fetched again where need be."""

import asyncio
import time
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

import httpx
import orjson
import structlog
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, Key, OKPKey, RSAKey, import_key

log = structlog.get_logger(__name__)

FETCH_SECONDS: Final = 5
BYTES_MAX: Final = 256 * 1024
KEYS_MAX: Final = 100
RSA_BITS_MIN: Final = 2048

FRESH: Final = timedelta(minutes=10)
"""After how long keys are fetched again, in the background of a request that needs them."""

FETCH_PAUSE: Final = timedelta(seconds=30)
"""How long no fetch follows another, whatever happens and whoever asks."""

KEPT: Final = timedelta(hours=24)
"""For how long keys are believed that cannot be fetched again."""

KeyName = tuple[str, str]
"""The `kid` of a key, and the algorithm that it is for."""


class KeysUnavailable(Exception):
    """The provider's keys are not known, and it does not give them now."""


class KeySet:
    """The keys at one address, by `kid` and algorithm. A provider that is away is not missed while they are kept."""

    def __init__(self, url: str, algorithms: frozenset[str], *, pause: timedelta = FETCH_PAUSE) -> None:
        """`pause` bounds how often the provider is asked, so that nobody can have it asked by guessing names."""
        self._url = url
        self._algorithms = algorithms
        self._pause = pause
        self._keys: Mapping[KeyName, Key] | None = None
        self._fetched_at = 0
        self._tried_at: int | None = None
        self._fetching: asyncio.Task[None] | None = None

    async def key(self, kid: str, algorithm: str) -> Key | None:
        """The key of that name for that algorithm; None where the provider has none. Raises KeysUnavailable."""
        known = self._believed()
        if known is None or (kid, algorithm) not in known:
            await self._fetched()
            known = self._believed()
        elif _since(self._fetched_at) > FRESH:
            self._fetch_soon()
        if known is None:
            raise KeysUnavailable
        return known.get((kid, algorithm))

    async def close(self) -> None:
        """Fetch nothing more."""
        if self._fetching is not None:
            self._fetching.cancel()
            await asyncio.wait({self._fetching})

    def _believed(self) -> Mapping[KeyName, Key] | None:
        return self._keys if _since(self._fetched_at) <= KEPT else None

    async def _fetched(self) -> None:
        """Wait for a fetch, the one that runs or another, where the last one was not just now."""
        fetching = self._fetch_soon()
        if fetching is not None:
            # The fetch serves all who wait: one of them that is cancelled takes it from nobody.
            await asyncio.shield(fetching)

    def _fetch_soon(self) -> "asyncio.Task[None] | None":
        """The fetch that runs, or that is begun now; None where the last one was just now."""
        if self._fetching is not None and not self._fetching.done():
            return self._fetching
        if self._tried_at is not None and _since(self._tried_at) < self._pause:
            return None
        self._tried_at = time.monotonic_ns()
        self._fetching = asyncio.create_task(self._fetch())
        return self._fetching

    async def _fetch(self) -> None:
        try:
            async with asyncio.timeout(FETCH_SECONDS):
                content = await _content(self._url)
            found = usable_keys(orjson.loads(content), self._algorithms)
        except (httpx.HTTPError, httpx.InvalidURL, OSError, TimeoutError, ValueError) as error:
            log.warning(
                "key_set.not_fetched", address=self._url, exception=repr(error), remaining=len(self._keys or ())
            )
            return
        self._keys = found
        self._fetched_at = time.monotonic_ns()
        log.info("key_set.fetched", address=self._url, count=len(found))


def usable_keys(document: Any, algorithms: frozenset[str]) -> dict[KeyName, Key]:
    """Those of a JWKS's public keys that may sign, by `kid` and algorithm. Raises ValueError where it is no JWKS.

    A key is for the one algorithm that its type takes: never is one used as the secret of an HMAC (RFC 8725, 3.1).
    """
    given = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(given, list):
        raise ValueError("no JWKS")
    found: dict[KeyName, Key] = {}
    for each in given[:KEYS_MAX]:
        kid = each.get("kid") if isinstance(each, dict) else None
        if not isinstance(kid, str) or each.get("use", "sig") != "sig":
            continue
        try:
            key = import_key(each)
            algorithm = _algorithm_of(key)
        except (JoseError, ValueError, TypeError, KeyError) as error:
            log.warning("key_set.key_left_out", reason=f"{kid}: {error!r}")
            continue
        if algorithm in algorithms and each.get("alg", algorithm) == algorithm:
            found.setdefault((kid, algorithm), key)
    return found


def _algorithm_of(key: Key) -> str | None:
    match key:
        case RSAKey() if key.public_key.key_size >= RSA_BITS_MIN:
            return "RS256"
        case ECKey() if key.curve_name == "P-256":
            return "ES256"
        case OKPKey() if key.curve_name == "Ed25519":
            return "EdDSA"
        case _:
            return None


async def _content(url: str) -> bytes:
    """What the address answers, bounded. Raises ValueError for too much, and what httpx raises."""
    limits = httpx.Limits(max_connections=1)
    async with (
        httpx.AsyncClient(trust_env=False, follow_redirects=False, timeout=FETCH_SECONDS, limits=limits) as client,
        client.stream("GET", url, headers={"accept": "application/json"}) as response,
    ):
        response.raise_for_status()
        content = b""
        async for part in response.aiter_bytes():
            content += part
            if len(content) > BYTES_MAX:
                raise ValueError(f"more than {BYTES_MAX} bytes")
        return content


def _since(instant: int) -> timedelta:
    """How long ago an instant of the monotonic clock was."""
    return timedelta(microseconds=(time.monotonic_ns() - instant) // 1_000)
