"""From a document to an answer.

Owns: the cache of documents, and when what a mutation field did is kept.
Never: knows what a field means.
Begin at: `cache.py`, `executor.py`.
"""
