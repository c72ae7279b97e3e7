"""Routes beside GraphQL, and what every route shares.

Owns: probes, the request's id, security headers.
Never: reaches a tenant's rows.
Begin at: `probes.py`.
"""
