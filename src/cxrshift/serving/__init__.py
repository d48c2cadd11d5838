"""Launching what serves: the folder TorchServe loads, TorchServe itself, and TorchServe with the gateway."""
