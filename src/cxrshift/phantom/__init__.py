"""Synthetic frontal chest radiographs with exact finding masks."""
