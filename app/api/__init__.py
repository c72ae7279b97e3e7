"""The GraphQL edge. It speaks GraphQL, decides nothing and holds no SQL.

Owns: the schema, who may ask what, how errors look, pages and cursors, execution.
Never: imports sqlalchemy, sqlmodel or asyncpg; computes an amount.
Begin at: `schema.py`, then `queries/invoice.py` and `mutations/invoice.py`.
"""
