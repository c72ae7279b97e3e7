"""What the schema exposes, one noun a file. A value is the store's row itself; fields read it or name a loader."""
