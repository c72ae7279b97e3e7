"""What can go wrong with the embedded PostgreSQL, in words that a person can act on."""


class EmbeddedPostgresError(Exception):
    """The embedded PostgreSQL cannot do what was asked of it. The message is one sentence for a person."""


class ProgramsMissing(EmbeddedPostgresError):
    """The environment holds no PostgreSQL programs that run here."""


class DataFolderUnusable(EmbeddedPostgresError):
    """The data folder cannot be made or is somebody else's."""


class ClusterNotCreated(EmbeddedPostgresError):
    """initdb failed."""


class SocketFolderUnsafe(EmbeddedPostgresError):
    """Somebody else could be behind the socket, or reach it."""


class ServerNotStarted(EmbeddedPostgresError):
    """The server did not come up, or nobody started it."""


class ServerNotStopped(EmbeddedPostgresError):
    """The server did not go down."""
