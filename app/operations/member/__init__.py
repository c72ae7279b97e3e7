"""What can be done to: member."""
