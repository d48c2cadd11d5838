"""Synthetic frontal chest radiographs with exact finding masks."""

from .generator import DEFAULT_SIZE, FINDINGS, PREVALENCE, Phantom, generate

__all__ = ["DEFAULT_SIZE", "FINDINGS", "PREVALENCE", "Phantom", "generate"]
