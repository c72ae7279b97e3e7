"""What can be done to: idempotency."""
