"""What can be done to: subscription."""
