"""The public face of the service: REST and gRPC in front of TorchServe, without torch."""
