"""The contract: types, protobuf messages, and the one codec between them."""
