"""Routes beside GraphQL, and what every route shares.

Owns: probes, the stream of usage, the request's id, security headers.
Never: reaches a tenant's rows but through an operation; proves a credential itself (see `door.py`).
Begin at: `usage.py`.
"""
