"""The root fields that read, one noun a file; each names the scope that it needs."""
