"""Latent Shift explanations of chest X-ray classifiers."""
