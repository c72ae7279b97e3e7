"""What can be done to: reservation."""
