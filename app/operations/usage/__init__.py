"""What can be done to: usage."""
