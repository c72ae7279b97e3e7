"""Demo data that looks like a real software company's: a year of it, for `tallygate dev`.

Owns: three invented organizations and what happened in them, the same in every load but for its instants, which are
counted back from now.
Never: writes but through the operations; names a company, a person or an address that exists.
Begin at: `load.py`. `company.py` and `price_list.py` say what is told; `history.py`, `billing.py` and `usage.py` tell
it, in the order of instants that `story.py` keeps.
"""

from app.demo.load import DemoOrganization, load_demo

__all__ = ["DemoOrganization", "load_demo"]
