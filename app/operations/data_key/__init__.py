"""What can be done to: data keys."""
