"""What can be done to: billing."""
