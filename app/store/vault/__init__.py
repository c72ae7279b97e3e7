"""What is stored so that whoever reads the database alone cannot read it.

Owns: the master keys and the port behind which a key service may keep them; data keys, one line of versions for each
organization; how a value is sealed to its place, and opened there alone.
Never: decides who may see a value; opens what was moved, changed or sealed for another; keeps a key in the clear.
Begin at: `vault.py`; `master.py` is the port.
"""
