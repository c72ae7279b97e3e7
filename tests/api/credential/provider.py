"""An OpenID Connect provider of the tests' own: keys, tokens, and a JWKS that it serves over loopback."""

import asyncio
import base64
import json
import time
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from joserfc import jws
from joserfc.jwk import ECKey, Key, OctKey, OKPKey, RSAKey

ISSUER = "https://login.example/"
AUDIENCE = "tallygate"


def rsa_key(kid: str) -> RSAKey:
    return RSAKey.generate_key(2048, {"kid": kid})


def short_key(kid: str) -> RSAKey:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return RSAKey.generate_key(1024, {"kid": kid})


RSA, OTHER_RSA, SHORT_RSA = rsa_key("rsa"), rsa_key("rsa"), short_key("short")
EC = ECKey.generate_key("P-256", {"kid": "ec"})
ED = OKPKey.generate_key("Ed25519", {"kid": "ed"})
SECRET = OctKey.generate_key(256, {"kid": "oct"})


def claims(**changed: Any) -> dict[str, Any]:
    """Those of a token that is accepted, but for what is changed; None leaves one out."""
    now = int(time.time())
    made = {"iss": ISSUER, "aud": AUDIENCE, "sub": "auth0|frobozz", "iat": now, "nbf": now, "exp": now + 300}
    return {name: value for name, value in (made | changed).items() if value is not None}


def token(
    key: Key = RSA,
    content: Any = None,
    algorithm: str = "RS256",
    header: dict[str, Any] | None = None,
) -> str:
    """A token signed by a key, however odd; its header names the key unless it says otherwise."""
    named = {"alg": algorithm, "typ": "JWT", "kid": key.kid} | (header or {})
    protected = {name: value for name, value in named.items() if value is not None}
    parts = (protected, claims() if content is None else content)
    signed = b".".join(encoded(json.dumps(part).encode()) for part in parts)
    signature: Any = jws.JWSRegistry.algorithms[algorithm].sign(signed, key)
    return b".".join((signed, encoded(signature))).decode()


def encoded(content: bytes) -> bytes:
    """Base64url without padding."""
    return base64.urlsafe_b64encode(content).rstrip(b"=")


@dataclass
class Provider:
    """Answers whatever it is told to, and counts how often it is asked."""

    keys: list[Any] = field(default_factory=lambda: [public(key) for key in (RSA, EC, ED)])
    status: int = 200
    content: bytes | None = None
    asked: int = 0
    url: str = ""

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        self.asked += 1
        content = json.dumps({"keys": self.keys}).encode() if self.content is None else self.content
        head = f"HTTP/1.1 {self.status} X\r\ncontent-length: {len(content)}\r\nconnection: close\r\n"
        if self.status == 302:
            head += f"location: {self.url}\r\n"
        writer.write(f"{head}\r\n".encode() + content)
        await writer.drain()
        writer.close()


def public(key: Key, **changed: Any) -> dict[str, Any]:
    """A key as a JWKS holds it."""
    made = key.as_dict(private=False) | {"use": "sig"} | changed
    return {name: value for name, value in made.items() if value is not None}


@asynccontextmanager
async def serving() -> AsyncIterator[Provider]:
    """The provider, at an address on loopback."""
    provider = Provider()
    server = await asyncio.start_server(provider.answer, "127.0.0.1", 0)
    provider.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/jwks.json"
    try:
        yield provider
    finally:
        server.close()
