"""Names on the wire that a service and its clients must agree on."""

JSON = "application/json"
PROTOBUF = "application/x-protobuf"
REQUEST_ID = "x-request-id"
"""HTTP header and gRPC metadata key, in and out."""
PROBLEM_METADATA = "cxrshift-problem-bin"
"""Trailing metadata of a failed gRPC call: a serialized cxrshift.v1.Problem."""
