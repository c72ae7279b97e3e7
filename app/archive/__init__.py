"""The file that an organization is carried in: a zip of JSON Lines, and a manifest that says what is in it.

Owns: the file's form, and whether a file is whole: its version, its members, their rows and their SHA-256.
Never: knows what a row means, or reaches a database.
Begin at: `manifest.py`, then `writing.py` and `reading.py`.
"""
