"""What can be done to: meter."""
