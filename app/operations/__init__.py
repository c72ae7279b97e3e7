"""Use cases. One verb is one file, one public coroutine, one transaction: load, apply what the domain says, save.

Owns: the order of steps and what stands or falls together.
Never: holds SQL; speaks GraphQL or HTTP; imports another operation (a step that two share goes down into `store`).
Begin at: `invoice/finalize.py`.
"""
