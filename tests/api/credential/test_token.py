"""JSON Web Tokens: whose they are, and everything that makes one no token at all."""

import base64
import hmac
import json
import time
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any

import pytest
import structlog

from app.api.credential import key_set
from app.api.credential.key_set import KeySet, usable_keys
from app.api.credential.token import Provider as Believed
from app.api.credential.token import Tokens, looks_like_token
from app.api.errors import Overloaded, Unauthenticated
from app.logs import FIELDS
from tests.api.credential.provider import (
    AUDIENCE,
    EC,
    ED,
    ISSUER,
    OTHER_RSA,
    RSA,
    SECRET,
    SHORT_RSA,
    Provider,
    claims,
    public,
    rsa_key,
    serving,
    token,
)

pytestmark = pytest.mark.filterwarnings("ignore::joserfc.errors.SecurityWarning")

ALGORITHMS = frozenset({"RS256", "ES256", "EdDSA"})
REFUSED = "This token is not accepted: sign in again."


def tokens_of(provider: Provider, pause: timedelta = timedelta(seconds=30), algorithms: frozenset[str] = ALGORITHMS):
    believed = Believed(ISSUER, AUDIENCE, provider.url, algorithms)
    return Tokens(believed, KeySet(provider.url, algorithms, pause=pause))


@pytest.fixture
async def provider() -> AsyncIterator[Provider]:
    async with serving() as made:
        yield made


@pytest.mark.parametrize(
    ("key", "algorithm", "changed"),
    [
        (RSA, "RS256", lambda _now: {}),
        (EC, "ES256", lambda _now: {}),
        (ED, "EdDSA", lambda _now: {}),
        (RSA, "RS256", lambda _now: {"aud": ["another", AUDIENCE]}),
        (RSA, "RS256", lambda _now: {"nbf": None}),
        (RSA, "RS256", lambda _now: {"iat": None}),
        (RSA, "RS256", lambda now: {"exp": now - 15}),
        (RSA, "RS256", lambda now: {"nbf": now + 25}),
    ],
    ids=["RSA", "EC", "Ed25519", "one of two audiences", "no nbf", "no iat", "within leeway", "leeway at start"],
)
async def test_a_token_of_the_provider_says_whose_it_is(
    provider: Provider, key: Any, algorithm: str, changed: Callable[[int], dict[str, Any]]
) -> None:
    """Signed by one of its keys, made for us, in force by a clock that may be half a minute off."""
    made = token(key, claims(**changed(int(time.time()))), algorithm)
    assert await tokens_of(provider).subject(made) == "auth0|frobozz"


def unsigned(given: str, algorithm: str = "none") -> str:
    header = base64.urlsafe_b64encode(json.dumps({"alg": algorithm, "kid": "rsa"}).encode()).decode().rstrip("=")
    return f"{header}.{given.split('.')[1]}."


def signed_with_what_is_public() -> str:
    """By HMAC, with the provider's public key as the secret: what a careless library would take for its signature."""
    start = unsigned(token(), "HS256")[:-1]
    signature = hmac.digest(RSA.as_pem(private=False), start.encode(), "sha256")
    return f"{start}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}"


BAD: dict[str, Callable[[], str]] = {
    "alg none": lambda: unsigned(token()),
    "alg NONE": lambda: unsigned(token(), "NonE"),
    "HMAC with the public key": signed_with_what_is_public,
    "HMAC with a key of the JWKS": lambda: token(SECRET, algorithm="HS256"),
    "an algorithm that is not allowed": lambda: token(algorithm="PS256"),
    "another key of the same name": lambda: token(OTHER_RSA),
    "a key of another algorithm": lambda: token(EC, algorithm="ES256", header={"kid": "rsa"}),
    "an unknown kid": lambda: token(header={"kid": "nobody's"}),
    "no kid": lambda: token(header={"kid": None}),
    "a kid that is no text": lambda: token(header={"kid": 7}),
    "jku": lambda: token(header={"jku": "http://127.0.0.1:1/"}),
    "x5u": lambda: token(header={"x5u": "http://127.0.0.1:1/"}),
    "jwk": lambda: token(OTHER_RSA, header={"jwk": public(OTHER_RSA)}),
    "crit": lambda: token(header={"crit": ["exp"]}),
    "b64": lambda: token(header={"b64": True}),
    "a short RSA key": lambda: token(SHORT_RSA),
    "another issuer": lambda: token(content=claims(iss="https://login.example")),
    "no issuer": lambda: token(content=claims(iss=None)),
    "another audience": lambda: token(content=claims(aud="tallygate-staging")),
    "other audiences": lambda: token(content=claims(aud=["a", "b"])),
    "no audience": lambda: token(content=claims(aud=None)),
    "expired": lambda: token(content=claims(exp=int(time.time()) - 31)),
    "no end": lambda: token(content=claims(exp=None)),
    "an end that is text": lambda: token(content=claims(exp="2126-01-01")),
    "not yet valid": lambda: token(content=claims(nbf=int(time.time()) + 600)),
    "made in the future": lambda: token(content=claims(nbf=None, iat=int(time.time()) + 600)),
    "neither nbf nor iat": lambda: token(content=claims(nbf=None, iat=None)),
    "no subject": lambda: token(content=claims(sub=None)),
    "an empty subject": lambda: token(content=claims(sub="")),
    "a subject that is no text": lambda: token(content=claims(sub=7)),
    "a subject too long": lambda: token(content=claims(sub="x" * 256)),
    "a payload that is a list": lambda: token(content=[claims()]),
    "a changed payload": lambda: token().replace(".", ".e30", 1),
    "a changed signature": lambda: token()[:-8] + "AAAAAAAA",
    "no signature": lambda: token().rpartition(".")[0] + ".",
    "too long": lambda: token(content=claims(filler="x" * 8_192)),
    "a deep header": lambda: base64.urlsafe_b64encode(b"[" * 1_500).decode().rstrip("=") + ".e30.e30",
    "a header of no JSON": lambda: "e30x.e30.e30",
}


@pytest.mark.parametrize("name", BAD)
async def test_any_other_token_is_refused_and_the_answer_is_always_the_same(provider: Provider, name: str) -> None:
    """Its bearer learns nothing of what is wrong; the log says it, and holds nothing of the token."""
    provider.keys += [public(SHORT_RSA), SECRET.as_dict(private=True)]
    tokens, bad = tokens_of(provider), BAD[name]()
    with structlog.testing.capture_logs() as logs, pytest.raises(Unauthenticated) as refused:
        await tokens.subject(bad)
    assert refused.value.message == REFUSED
    (line,) = [line for line in logs if line["event"] == "token.refused"]
    assert len(line["reason"]) > 5
    assert {"reason", "event"} <= FIELDS
    assert not any(part in str(logs) for part in bad.split(".") if len(part) > 20)
    assert await tokens.subject(token()) == "auth0|frobozz"


async def test_only_the_algorithms_of_the_setting_count(provider: Provider) -> None:
    """A key of the provider's is of no use for one that the setting leaves out."""
    tokens = tokens_of(provider, algorithms=frozenset({"ES256"}))
    assert await tokens.subject(token(EC, algorithm="ES256")) == "auth0|frobozz"
    with pytest.raises(Unauthenticated):
        await tokens.subject(token())


def test_a_key_is_for_its_own_algorithm_alone() -> None:
    """Symmetric keys, short ones, those for encryption or for another algorithm are left out; what is odd too."""
    odd = [None, "key", {}, {"kid": "x"}, {"kid": "x", "kty": "RSA"}, {"kid": 7, "kty": "oct", "k": "AAAA"}]
    unfit = [public(RSA, use="enc"), public(RSA, alg="PS256"), public(SHORT_RSA), SECRET.as_dict(private=True)]
    found = usable_keys(
        {"keys": [*odd, *unfit, public(RSA, use=None), public(EC, alg="ES256"), public(ED)]}, ALGORITHMS
    )
    assert set(found) == {("rsa", "RS256"), ("ec", "ES256"), ("ed", "EdDSA")}


class TestRotation:
    """The provider's keys change, and the provider goes away."""

    async def test_an_unknown_name_has_the_keys_fetched_again_but_not_often(self, provider: Provider) -> None:
        """A new key is known at once; guesses ask the provider once in a while, and wait for nothing meanwhile."""
        tokens = tokens_of(provider, pause=timedelta(0))
        new = rsa_key("new")
        assert await tokens.subject(token()) == "auth0|frobozz"
        provider.keys = [public(new)]
        assert await tokens.subject(token(new)) == "auth0|frobozz"
        with pytest.raises(Unauthenticated):
            await tokens.subject(token())
        patient = tokens_of(provider)
        asked = provider.asked
        for _ in range(5):
            with pytest.raises(Unauthenticated):
                await patient.subject(token(header={"kid": "guess"}))
        assert provider.asked == asked + 1

    @pytest.mark.parametrize(
        ("status", "content"),
        [(500, None), (302, None), (200, b"<html>"), (200, b"[]"), (200, b" " * (key_set.BYTES_MAX + 1))],
        ids=["an error", "a redirect", "no JSON", "no JWKS", "too much"],
    )
    async def test_an_outage_is_survived_with_the_keys_that_are_known(
        self, provider: Provider, status: int, content: bytes | None
    ) -> None:
        """Whatever comes instead of keys changes nothing; who has none yet is told to come again."""
        tokens = tokens_of(provider, pause=timedelta(0))
        assert await tokens.subject(token()) == "auth0|frobozz"
        provider.status, provider.content = status, content
        with pytest.raises(Unauthenticated):
            await tokens.subject(token(header={"kid": "new"}))
        assert await tokens.subject(token()) == "auth0|frobozz"
        stranger = tokens_of(provider, pause=timedelta(0))
        with pytest.raises(Overloaded):
            await stranger.subject(token())
        provider.status, provider.content = 200, None
        assert await stranger.subject(token()) == "auth0|frobozz"

    async def test_keys_are_fetched_anew_in_the_background_and_believed_for_a_day(
        self, provider: Provider, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Nobody waits for a fresh set; one that could not be had for too long is believed no longer."""
        tokens = tokens_of(provider, pause=timedelta(0))
        await tokens.subject(token())
        monkeypatch.setattr(key_set, "FRESH", timedelta(0))
        provider.keys = [public(EC)]
        assert await tokens.subject(token()) == "auth0|frobozz"
        assert tokens._keys._fetching is not None
        await tokens._keys._fetching
        with pytest.raises(Unauthenticated):
            await tokens.subject(token())
        provider.status = 500
        monkeypatch.setattr(key_set, "KEPT", timedelta(0))
        with pytest.raises(Overloaded):
            await tokens.subject(token(EC, algorithm="ES256"))
        await tokens.close()


@pytest.mark.parametrize("text", ["", "tg_live_abc", "a.b", "a.b.c.d", "a..c", "ä.b.c", "a.b.c\n"])
def test_what_has_not_the_form_of_a_token_is_none(text: str) -> None:
    """Three parts of base64url; the last may be empty, as of one that is not signed."""
    assert not looks_like_token(text)
    assert looks_like_token(token())
