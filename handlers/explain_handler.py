"""TorchServe adapter."""
