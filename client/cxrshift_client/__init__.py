"""The client of a cxrshift service."""
