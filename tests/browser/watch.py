"""What a page does behind its reader's back: complaints on the console, and requests to elsewhere."""

from __future__ import annotations

from urllib.parse import urlsplit

from playwright.sync_api import ConsoleMessage, Error, Page, Request


class Watch:
    """Listens from the start of a page; ``check`` says what was wrong."""

    def __init__(self, page: Page) -> None:
        self._origins: set[str] = set()
        self._forgiven: list[str] = []
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.sent: list[str] = []  # those of the requests that carry something to the service
        page.on("console", self._hear)
        page.on("pageerror", self._hear_error)
        page.on("request", self._see)

    def allow_origin(self, url: str) -> None:
        """Where the page itself comes from."""
        self._origins.add(url.rstrip("/"))

    def forgive(self, words: str) -> None:
        """A complaint that the test brings about: the browser writes one for each request that is refused."""
        self._forgiven.append(words)

    def check(self) -> None:
        """Raise AssertionError for a complaint, or a request that left the page's origin."""
        bad = [each for each in self.complaints if not any(words in each for words in self._forgiven)]
        assert not bad, bad
        foreign = [url for url in self.requests if _origin(url) not in self._origins]
        assert not foreign, foreign
        assert self.requests, "the page asked for nothing: was it opened?"

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    def _hear_error(self, error: Error) -> None:
        self.complaints.append(str(error))

    def _see(self, request: Request) -> None:
        if request.url.startswith("blob:"):
            return
        self.requests.append(request.url)
        if request.method != "GET":
            self.sent.append(request.url)


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
