"""Explanations to pictures, without torch."""
