"""The files that GraphiQL's page asks for: read once, named by their content, kept by browsers for a year."""

import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

ASSETS_PATH = "/graphql/assets"

MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}


@dataclass(frozen=True, slots=True)
class Asset:
    """A file as it is served; its version is the beginning of its content's SHA-256."""

    name: str
    content: bytes
    content_gzipped: bytes
    media_type: str
    version: str

    @property
    def url(self) -> str:
        """Where the page asks for it: another content has another URL, so that no browser shows an old one."""
        return f"{ASSETS_PATH}/{self.name}?v={self.version}"


def graphiql_routes() -> list[Route]:
    """The routes of the assets, under `ASSETS_PATH`. Reads and compresses every file, so call it at start-up."""
    load_assets()
    return [Route(f"{ASSETS_PATH}/{{name}}", serve_asset, methods=["GET"], name="graphiql_asset")]


async def serve_asset(request: Request) -> Response:
    """Answer with the asset, or 404: names are looked up in a table and never reach the file system."""
    asset = load_assets().get(request.path_params["name"])
    if asset is None:
        return PlainTextResponse("Not found", status_code=404)
    is_current = request.query_params.get("v") == asset.version
    headers = {
        "Cache-Control": "public, max-age=31536000, immutable" if is_current else "no-cache",
        "ETag": f'W/"{asset.version}"',
        "Vary": "Accept-Encoding",
    }
    if headers["ETag"] in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    if "gzip" in request.headers.get("accept-encoding", ""):
        headers["Content-Encoding"] = "gzip"
        return Response(asset.content_gzipped, media_type=asset.media_type, headers=headers)
    return Response(asset.content, media_type=asset.media_type, headers=headers)


@cache
def load_assets() -> Mapping[str, Asset]:
    """Every file of `assets/` by its name."""
    files = sorted(Path(__file__).with_name("assets").iterdir())
    return MappingProxyType({file.name: asset_from_file(file) for file in files if file.suffix in MEDIA_TYPES})


def asset_from_file(file: Path) -> Asset:
    """The asset that a file is, with its media type by its suffix."""
    content = file.read_bytes()
    return Asset(
        name=file.name,
        content=content,
        content_gzipped=gzip.compress(content, mtime=0),
        media_type=MEDIA_TYPES[file.suffix],
        version=hashlib.sha256(content).hexdigest()[:16],
    )
