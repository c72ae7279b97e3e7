"""The root fields that write, one noun a file; each names its scope and calls one operation."""
