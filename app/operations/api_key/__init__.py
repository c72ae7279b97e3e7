"""What can be done to: API key."""
