"""Tallygate: a multi-tenant GraphQL billing gateway. `docs/` has the floor plan; start at `app/main.py`."""
