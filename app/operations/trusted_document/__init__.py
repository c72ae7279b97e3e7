"""What can be done to trusted documents."""
