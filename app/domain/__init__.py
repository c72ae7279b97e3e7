"""The rules of billing, pure: no I/O, no clock, no await.

Owns: money, prices, periods, proration, the life of an invoice and of a subscription, postings.
Never: imports anything but the standard library and babel; asks what time it is; rounds twice.
Begin at: `charge.py` (from a plan and its usage to lines), `invoice.py` (the life of an invoice).
"""
