"""Loaders: one noun a file. A loader lives for one request, inside one organization, and answers in key order."""
