"""Who answers: a service at an address, or the engine in this very process."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from cxrshift_api.types import ClassifyReply, ExplainReply, Problem
from cxrshift_client.errors import AccessError, ExplainerError, UnreachableError, error_of
from cxrshift_client.request import Choices, explain_request, new_request_id

from ..defaults import DEFAULT_MODEL

if TYPE_CHECKING:
    from cxrshift_client import Client, Retry, Timeout

    from ..core.engine import Engine
    from ..image.radiograph import Radiograph


class Decode(Protocol):
    """Reads a radiograph from a file's bytes, as image.decode does."""

    def __call__(self, data: bytes, *, frame: int = 1) -> Radiograph:
        """The radiograph."""
        ...


class Asker(Protocol):
    """Explains and classifies one file. Raises the client's errors, CodedError, or OSError for the file."""

    def explain(self, file: Path, choices: Choices) -> ExplainReply:
        """An explanation of each finding."""
        ...

    def classify(self, file: Path) -> ClassifyReply:
        """Every finding's score."""
        ...


class ServiceAsker:
    """Asks a running service."""

    def __init__(self, client: Client, model: str) -> None:
        self._client = client
        self._model = model

    def explain(self, file: Path, choices: Choices) -> ExplainReply:
        """An explanation of each finding."""
        asked: Choices = {**choices, "model": self._model}
        return self._client.explain(file, **asked)

    def classify(self, file: Path) -> ClassifyReply:
        """Every finding's score."""
        return self._client.classify(file, model=self._model)


class EngineAsker:
    """Runs the engine here. Files are decoded side by side, networks run one explanation at a time."""

    def __init__(self, engine: Engine, decode: Decode) -> None:
        self._engine = engine
        self._decode = decode
        self._turn = threading.Lock()

    def explain(self, file: Path, choices: Choices) -> ExplainReply:
        """An explanation of each finding."""
        from ..core.engine import Order

        request = explain_request(file, choices)
        order = Order(self._decode(request.image, frame=request.options.source_frame), request.options)
        with self._turn:
            [outcome] = self._engine.explain([order]).outcomes
        if isinstance(outcome, Problem):
            raise error_of(outcome)
        return ExplainReply(outcome, request.request_id)

    def classify(self, file: Path) -> ClassifyReply:
        """Every finding's score."""
        radiograph = self._decode(file.read_bytes())
        with self._turn:
            [scores] = self._engine.classify([radiograph])
        if isinstance(scores, Problem):
            raise error_of(scores)
        return ClassifyReply(self._engine.spec.name, self._engine.spec.version, scores, new_request_id())


@contextmanager
def open_asker(server: str, model: str, *, local: bool, timeout: float) -> Iterator[Asker]:
    """The asker for a command's options. Raises the client's errors, or ModelError where ``local``."""
    if local:
        from ..core.engine import Engine
        from ..image.decode import decode_radiograph
        from ..models.loader import load_model

        yield EngineAsker(Engine(load_model(model or DEFAULT_MODEL)), decode_radiograph)
        return
    from cxrshift_client import Retry, Timeout

    with open_client(server, timeout=Timeout(timeout), retry=Retry(attempts=1)) as client:
        _greet(client)
    # Many files meet a full queue sooner or later; only the timeout ends the waiting then.
    with open_client(server, timeout=Timeout(timeout), retry=Retry(attempts=1000, longest_wait=5.0)) as client:
        yield ServiceAsker(client, model)


def open_client(server: str, *, timeout: Timeout | None = None, retry: Retry | None = None) -> Client:
    """A client that shows what ``CXRSHIFT_TOKEN_FILE`` holds and trusts what ``CXRSHIFT_CA_FILE`` holds.

    Files, since what stands on a command line or in an environment is seen by others. Raises OSError.
    """
    from cxrshift_client import Client, Tls

    token_file, ca_file = os.environ.get("CXRSHIFT_TOKEN_FILE"), os.environ.get("CXRSHIFT_CA_FILE")
    token = Path(token_file).read_text("utf-8").strip() if token_file else None
    return Client(server, timeout=timeout, retry=retry, token=token, tls=Tls(Path(ca_file) if ca_file else None))


def open_client_briefly(server: str) -> Client:
    """``open_client`` for whoever only looks whether a service is there: one attempt, a few seconds."""
    from cxrshift_client import Retry, Timeout

    return open_client(server, timeout=Timeout(2.0, connect=1.0), retry=Retry(attempts=1))


def _greet(client: Client) -> None:
    """Raise at once where nothing answers or nobody is let in, rather than for each file after many attempts."""
    try:
        client.list_models()
    except (AccessError, UnreachableError):
        raise
    except ExplainerError:
        pass  # it is there; the files will meet what is wrong
