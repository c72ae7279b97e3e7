"""What can be done to: invoice line item."""
