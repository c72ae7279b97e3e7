"""EDGE. What is done in the background: a job comes in from the queue, and an operation is called.

Owns: what each kind of job reads from its payload, when a job is tried again, what is done regularly.
Never: holds SQL or amounts, or does a job outside of its organization.
Begin at: `running.py`; each kind of job has a file, and `schedule.py` says what is enqueued when.
"""
