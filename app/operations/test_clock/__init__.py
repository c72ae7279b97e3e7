"""What can be done to: test clock."""
