"""What can be done to: audit records."""
