"""Bytes to radiographs, without torch."""
