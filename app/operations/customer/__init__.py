"""What can be done to: customer."""
