"""Measuring what explanations are worth."""
