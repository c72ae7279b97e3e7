"""What can be done to: ledger."""
