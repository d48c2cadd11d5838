"""The Open Inference Protocol, version 2: a third spelling of the same service, for clients of KServe and Triton."""
