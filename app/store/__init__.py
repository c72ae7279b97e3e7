"""PostgreSQL: the only room that imports sqlalchemy, sqlmodel or asyncpg.

Owns: the tables, the wall between tenants (`tenancy.py`), the one other door (`system.py`), every query.
Never: decides; opens a transaction anywhere but in `tenancy.py` and `system.py`.
Begin at: `tenancy.py`, then `invoice.py` for a noun's queries.
"""
