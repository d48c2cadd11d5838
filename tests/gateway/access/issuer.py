"""An OIDC issuer on this machine: a discovery document, its public keys, and tokens of every kind, good and bad."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

AUDIENCE = "cxrshift"


@dataclass
class Issuer:
    """``documents`` is what it serves, by path; ``asked`` the paths that were fetched."""

    url: str
    key: rsa.RSAPrivateKey
    documents: dict[str, dict[str, Any]]
    asked: list[str] = field(default_factory=list)

    def token(
        self, *, headers: dict[str, str] | None = None, key: Any = None, alg: str = "RS256", **claims: Any
    ) -> str:
        """A token that is good but for what is named; a claim of None is left out."""
        now = int(time.time())
        whole = {
            "iss": self.url,
            "aud": AUDIENCE,
            "sub": "dr.jane.doe@hospital.example",
            "iat": now,
            "exp": now + 300,
            "roles": ["explain", "classify"],
            **claims,
        }
        kept = {name: value for name, value in whole.items() if value is not None}
        return jwt.encode(kept, key or self.key, alg, {"kid": "first", **(headers or {})})

    def unsigned(self) -> str:
        """A token of the algorithm none, which says the same."""
        body = self.token().split(".")[1]
        head = base64.urlsafe_b64encode(json.dumps({"alg": "none", "typ": "JWT", "kid": "first"}).encode()).rstrip(b"=")
        return f"{head.decode()}.{body}."

    def publish(self, key: rsa.RSAPrivateKey, key_id: str) -> None:
        """Add a public key."""
        public: dict[str, Any] = jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
        self.documents["/keys"]["keys"].append({**public, "kid": key_id, "use": "sig", "alg": "RS256"})


@contextmanager
def serve_issuer() -> Iterator[Issuer]:
    """An issuer that answers until the block ends."""
    issuer = Issuer("", new_key(), {"/keys": {"keys": []}})

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            issuer.asked.append(self.path)
            document = issuer.documents.get(self.path)
            body = json.dumps(document).encode()
            self.send_response(200 if document else 404)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        issuer.url = f"http://127.0.0.1:{server.server_port}"
        discovery = {"issuer": issuer.url, "jwks_uri": f"{issuer.url}/keys"}
        issuer.documents["/.well-known/openid-configuration"] = discovery
        issuer.publish(issuer.key, "first")
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield issuer
        finally:
            server.shutdown()
            thread.join()


def new_key() -> rsa.RSAPrivateKey:
    """A signing key."""
    return rsa.generate_private_key(65537, 2048)
