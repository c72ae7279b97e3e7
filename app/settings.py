"""Everything that can be set from outside, read once at start and passed in. `docs/configuration.md` lists it."""

import ipaddress
import re
from pathlib import Path
from typing import Annotated, Final, NamedTuple, Self
from urllib.parse import urlsplit

from pydantic import AliasChoices, Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from app.store.vault.master import MasterKeys

SECRET_LENGTH_MIN: Final = 32

_ORIGIN: Final = re.compile(r"https?://[a-z0-9.-]+(:[0-9]{1,5})?\Z")


ALGORITHMS: Final = ("RS256", "ES256", "EdDSA")
"""How tokens may be signed: asymmetrically, so that whoever checks one could not have made it."""


class IdentityProvider(NamedTuple):
    """Whose tokens are believed, for whom, by which keys."""

    issuer: str
    audience: str
    jwks_url: str
    algorithms: frozenset[str]


def an_address(value: str) -> str:
    """An address to listen on. Raises ValueError."""
    if value != "localhost":
        ipaddress.ip_address(value)
    return value


class MetricsSettings(BaseSettings):
    """How a process is watched. Environment variables bear the prefix TALLYGATE_."""

    model_config = SettingsConfigDict(env_prefix="TALLYGATE_", frozen=True, extra="ignore", populate_by_name=True)

    metrics_port: Annotated[int, Field(ge=0, le=65535)] = Field(
        default=0, description="Port of /metrics, for Prometheus; 0 for none, and then nothing is counted."
    )
    metrics_host: str = Field(default="127.0.0.1", description="Address of /metrics.")
    metrics_organizations: Annotated[int, Field(ge=0, le=1_000)] = Field(
        default=20, description="Of how many organizations, the busiest, /metrics gives figures of their own."
    )
    tracing: bool = Field(
        default=False, description="Whether traces are sent, by OTLP over HTTP, as the OTEL_ variables say where."
    )

    @property
    def metrics_address(self) -> str | None:
        """Where /metrics is; None where it is not."""
        return f"{self.metrics_host}:{self.metrics_port}" if self.metrics_port else None

    @field_validator("metrics_host")
    @classmethod
    def _address_of_metrics(cls, value: str) -> str:
        return an_address(value)


class ProcessSettings(MetricsSettings):
    """Settings of any process, frozen. Environment variables bear the prefix TALLYGATE_, but for DATABASE_URL."""

    database_url: SecretStr = Field(
        validation_alias=AliasChoices("TALLYGATE_DATABASE_URL", "DATABASE_URL"),
        description="The PostgreSQL database (15 or later), as the login tallygate_app; of a worker, tallygate_worker.",
    )
    lock_timeout_ms: Annotated[int, Field(ge=50, le=600_000)] = Field(
        default=1_000, description="How long a statement may wait for a lock."
    )
    idle_timeout_ms: Annotated[int, Field(ge=100, le=600_000)] = Field(
        default=5_000, description="How long a transaction may do nothing."
    )
    log_format: Annotated[str, Field(pattern="^(json|console)$")] = Field(
        default="json", description="json (a line of JSON for each event) or console (for people)."
    )


class MasterKeySettings(ProcessSettings):
    """The master keys, in a variable or in a file: one or more, the first of which wraps."""

    master_key: SecretStr | None = Field(
        default=None, description="Master key: 32 bytes in base64; more than one while they are changed."
    )
    master_key_file: Path | None = Field(default=None, description="The file that holds it, in place of the variable.")

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.master_key is None) == (self.master_key_file is None):
            raise ValueError("set TALLYGATE_MASTER_KEY or TALLYGATE_MASTER_KEY_FILE: openssl rand -base64 32")
        _ = self.master_keys
        return self

    @property
    def master_keys(self) -> MasterKeys:
        """The keys. Raises ValueError."""
        if self.master_key is not None:
            return _master_keys("TALLYGATE_MASTER_KEY", self.master_key.get_secret_value())
        try:
            content = (self.master_key_file or Path()).read_text()
        except OSError as error:
            raise ValueError(f"TALLYGATE_MASTER_KEY_FILE cannot be read: {error.strerror}") from error
        return _master_keys("TALLYGATE_MASTER_KEY_FILE", content)


def _master_keys(variable: str, content: str) -> MasterKeys:
    try:
        return MasterKeys.from_text(content)
    except ValueError as error:
        raise ValueError(f"{variable}: {error}") from error


class Settings(MasterKeySettings):
    """Settings of a process that serves."""

    api_key_pepper: SecretStr = Field(
        description="Secret under which API keys are hashed, 32 characters or more; changing it voids every key."
    )
    cursor_secret: SecretStr = Field(
        description="Secret that signs cursors, 32 characters or more; changing it voids cursors that clients hold."
    )
    listener_database_url: SecretStr | None = Field(
        default=None, description="The same database, past a pooler that lends connections by the transaction."
    )
    host: str = Field(default="127.0.0.1", description="Address to listen on.")
    port: Annotated[int, Field(ge=0, le=65535)] = Field(default=8000, description="Port to listen on.")
    drain_notice_seconds: Annotated[float, Field(ge=0, le=300)] = Field(
        default=1.0, description="After SIGTERM, how long requests are still taken while /readyz says no."
    )
    pool_size: Annotated[int, Field(ge=1, le=500)] = Field(
        default=10, description="Database connections of each worker process."
    )
    statement_timeout_ms: Annotated[int, Field(ge=100, le=600_000)] = Field(
        default=2_000, description="How long one SQL statement may take."
    )
    body_bytes_max: Annotated[int, Field(ge=1_024, le=16 * 1024 * 1024)] = Field(
        default=128 * 1024, description="Largest GraphQL request body."
    )
    usage_body_bytes_max: Annotated[int, Field(ge=1_024, le=16 * 1024 * 1024)] = Field(
        default=1024 * 1024, description="Largest GraphQL request body of a document that holds usageRecord."
    )
    body_seconds_max: Annotated[float, Field(gt=0, le=300)] = Field(
        default=5.0, description="How long a request body may take to come in."
    )
    usage_requests_max: Annotated[int, Field(ge=1, le=10_000)] = Field(
        default=32, description="POST /usage: requests in hand at once, in each worker process."
    )
    organization_usage_requests_max: Annotated[int, Field(ge=1, le=10_000)] = Field(
        default=16, description="POST /usage: requests of one organization in hand at once, in each worker process."
    )
    usage_chunk_seconds_max: Annotated[float, Field(gt=0, le=300)] = Field(
        default=10.0, description="POST /usage: within what time a client sends one whole event more."
    )
    execution_seconds_max: Annotated[float, Field(gt=0, le=600)] = Field(
        default=10.0, description="How long an operation may take."
    )
    entitlement_customers_max: Annotated[int, Field(ge=1, le=10_000_000)] = Field(
        default=200_000, description="Customers whose entitlements each worker process keeps in memory."
    )
    operations_max: Annotated[int, Field(ge=1, le=10_000)] = Field(
        default=16, description="Operations that each worker process runs at once."
    )
    organization_operations_max: Annotated[int, Field(ge=1, le=10_000)] = Field(
        default=2, description="The same of one organization."
    )
    cost_budget: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        default=10_000, description="Points that one operation may cost."
    )
    allowance_points: Annotated[int, Field(ge=1, le=1_000_000_000)] = Field(
        default=200_000, description="Points that an organization may spend at once, not less than cost_budget."
    )
    allowance_points_per_second: Annotated[int, Field(ge=0, le=1_000_000_000)] = Field(
        default=20_000, description="Points that come back to an organization each second; 0 for no limit."
    )
    planner: bool = Field(
        default=True, description="Whether queries are answered by their plan; graphql-core answers them where not."
    )
    introspection: bool = Field(
        default=True, description="Whether authenticated callers may ask for the schema, and errors suggest its names."
    )
    cors_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(), description="Origins, separated by commas, whose pages may call from a browser; none by default."
    )
    graphiql: bool = Field(default=True, description="Whether GraphiQL is served at /graphql.")

    oidc_issuer: str | None = Field(default=None, description="Whose tokens let members in: their `iss`, exactly.")
    oidc_audience: str | None = Field(default=None, description="For whom they must be made: their `aud`.")
    oidc_jwks_url: str | None = Field(default=None, description="Where the issuer publishes its keys.")
    oidc_algorithms: str = Field(default=",".join(ALGORITHMS), description="How tokens may be signed.")

    @property
    def identity_provider(self) -> IdentityProvider | None:
        """The OpenID Connect provider whose tokens are believed, if one is set."""
        if self.oidc_issuer is None or self.oidc_audience is None or self.oidc_jwks_url is None:
            return None
        algorithms = frozenset(self.oidc_algorithms.split(","))
        return IdentityProvider(self.oidc_issuer, self.oidc_audience, self.oidc_jwks_url, algorithms)

    @model_validator(mode="after")
    def _all_of_a_provider(self) -> Self:
        given = [bool(part) for part in (self.oidc_issuer, self.oidc_audience, self.oidc_jwks_url)]
        if any(given) and not all(given):
            raise ValueError("oidc_issuer, oidc_audience and oidc_jwks_url go together: give all three, or none")
        return self

    @field_validator("oidc_jwks_url")
    @classmethod
    def _over_tls(cls, value: str | None) -> str | None:
        parts = urlsplit(value or "https://nowhere")
        if not parts.hostname or (parts.scheme != "https" and parts.hostname not in ("127.0.0.1", "::1", "localhost")):
            raise ValueError("give an https address")
        return value

    @field_validator("oidc_algorithms")
    @classmethod
    def _asymmetric(cls, value: str) -> str:
        if not set(value.split(",")) <= set(ALGORITHMS):
            raise ValueError(f"give one or more of {','.join(ALGORITHMS)}")
        return value

    @model_validator(mode="after")
    def _affordable(self) -> Self:
        if self.allowance_points < self.cost_budget:
            raise ValueError("allowance_points must be cost_budget or more, or the dearest documents could never run")
        return self

    @field_validator("api_key_pepper", "cursor_secret")
    @classmethod
    def _long_enough(cls, value: SecretStr) -> SecretStr:
        if len(value.get_secret_value()) < SECRET_LENGTH_MIN:
            raise ValueError(f"give {SECRET_LENGTH_MIN} characters or more")
        return value

    @field_validator("cors_origins", mode="before")
    @classmethod
    def _origins(cls, value: str | tuple[str, ...]) -> tuple[str, ...]:
        given = value.split(",") if isinstance(value, str) else value
        origins = tuple(origin.strip() for origin in given if origin.strip())
        for origin in origins:
            if not _ORIGIN.match(origin):
                raise ValueError(f"{origin} is no origin: give a scheme, a host and a port where there is one")
        return origins

    @field_validator("host")
    @classmethod
    def _an_address(cls, value: str) -> str:
        return an_address(value)


class WorkerSettings(ProcessSettings):
    """Settings of a process that does jobs. It needs no secret but its login."""

    worker_concurrency: Annotated[int, Field(ge=2, le=200)] = Field(
        default=4, description="Jobs that a worker does at once, each on a database connection of its own."
    )
    job_statement_timeout_ms: Annotated[int, Field(ge=100, le=600_000)] = Field(
        default=30_000, description="How long one SQL statement of a job may take."
    )
    job_lease_seconds: Annotated[int, Field(ge=1, le=25)] = Field(
        default=15, description="After how long the job of a worker that says nothing is given to another."
    )
    job_attempts_max: Annotated[int, Field(ge=1, le=100)] = Field(
        default=10, description="How often a job is tried before it is a dead letter."
    )
    job_retry_seconds: Annotated[float, Field(gt=0, le=3_600)] = Field(
        default=2.0, description="How long a job waits after its first failure; twice as long after each further one."
    )
    usage_retention_days: Annotated[int, Field(ge=71, le=36_500)] = Field(
        default=400, description="How long events are kept once they are billed, and reservations once they ended."
    )
    job_retry_seconds_max: Annotated[float, Field(gt=0, le=86_400)] = Field(
        default=600.0, description="How long it waits at most."
    )


class ReportSettings(WorkerSettings):
    """Settings of a report over organizations: the worker records it, the operator makes it."""

    operator_database_url: SecretStr = Field(description="The same database, as the login tallygate_operator.")


class KeySettings(WorkerSettings, MasterKeySettings):
    """Settings of `tallygate keys`: a worker's, and the master keys."""
