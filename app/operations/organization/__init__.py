"""What can be done to: organization."""
