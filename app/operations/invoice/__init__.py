"""What can be done to: invoice."""
