"""One explanation over REST with nothing but the standard library, as any language can do it.

    python examples/rest_call.py chest.dcm --finding Effusion --out effusion.png

The image is the body, what is asked stands in the query, and ``Accept`` chooses the form of the answer: JSON first, for
the numbers, then the picture. What is refused comes as RFC 9457's ``application/problem+json``; with 429 and 503 the
header ``Retry-After`` says after how many seconds to ask again.

Exit codes: 0 explained, 1 refused or too late.
"""

from __future__ import annotations

import argparse
import array
import base64
import json
import sys
import time
import uuid
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import Request, urlopen

BROKEN = (OSError, HTTPException)
"""What the standard library raises where an answer does not come whole; refusals, HTTPError, are among the first."""


@dataclass(frozen=True)
class Question:
    """What is asked, in whatever form the answer shall come."""

    url: str
    image: bytes
    request_id: str
    token: str | None

    def ask(self, accept: str, deadline: float) -> bytes:
        """The answer's body, tried again until ``deadline`` (of ``time.monotonic``). Raises BROKEN."""
        headers = {"accept": accept, "content-type": "application/octet-stream", "x-request-id": self.request_id}
        if self.token:
            headers["authorization"] = f"Bearer {self.token}"
        pause = 0.25
        while True:
            left = deadline - time.monotonic()
            try:
                with urlopen(Request(self.url, self.image, headers), timeout=max(left, 0.1)) as answer:
                    body: bytes = answer.read()
                    return body
            except BROKEN as error:
                pause = wait_after(error, min(2.0 * pause, 8.0))
                if time.monotonic() + pause > deadline:
                    raise
            time.sleep(pause)


def wait_after(error: Exception, pause: float) -> float:
    """Seconds to wait before the next attempt. Raises ``error`` where another attempt would fare no better."""
    if not isinstance(error, HTTPError):
        return pause  # nothing answers: it may be starting
    if error.code not in (429, 502, 503):
        raise error
    return max(pause, float(error.headers.get("retry-after") or 0.0))


def say_explanation(explanation: dict[str, Any]) -> str:
    """An explanation's numbers, its warnings, and where its heatmap is highest."""
    quality, heatmap = explanation["quality"], explanation["heatmap"]
    values = array.array("f", base64.b64decode(heatmap["data"]))  # little-endian float32, row by row
    if sys.byteorder == "big":
        values.byteswap()
    row, column = divmod(max(range(len(values)), key=values.__getitem__), heatmap["shape"][1])
    score = explanation["radiograph_scores"][explanation["findings"].index(explanation["finding"])]
    lines = [
        f"{explanation['finding']}: score {score:.2f}, operating point {explanation['operating_point']:.2f}",
        f"the score fell by {quality['drop']:.2f} and rose by {quality['rise']:.2f}",
        f"most changed at row {row}, column {column} of {heatmap['shape'][0]} x {heatmap['shape'][1]}",
        *(f"warning: {warning}" for warning in quality["warnings"]),
        explanation["notice"],
    ]
    return "\n".join(lines)


def say_refusal(error: Exception) -> str:
    """What the service says, or why it says nothing."""
    if isinstance(error, HTTPError) and "json" in error.headers.get("content-type", ""):
        problem = json.load(error)
        return f"{problem['code']}: {problem['detail']} (request {problem['request_id']})"
    return f"no answer: {error}"


def main() -> int:
    """Ask and tell; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("image", type=Path, help="a DICOM, PNG, JPEG or NPY file")
    parser.add_argument("--url", default="http://127.0.0.1:8000")
    parser.add_argument("--finding", default="Effusion")
    parser.add_argument("--out", type=Path, default=Path("overlay.png"), help="the heatmap over the radiograph")
    parser.add_argument("--token-file", type=Path, help="holds an API key or access token, where one is wanted")
    parser.add_argument("--deadline", type=float, default=60.0, metavar="SECONDS", help="for both answers together")
    given = parser.parse_args()
    url = f"{given.url}/v1/explain?finding={quote(given.finding)}&timeout={given.deadline:g}"
    token = given.token_file.read_text("utf-8").strip() if given.token_file else None
    question = Question(url, given.image.read_bytes(), uuid.uuid4().hex, token)
    deadline = time.monotonic() + given.deadline
    try:
        reply = json.loads(question.ask("application/json", deadline))
        given.out.write_bytes(question.ask("image/png", deadline))
    except BROKEN as error:
        print(say_refusal(error), file=sys.stderr)
        return 1
    for explanation in reply["explanations"]:
        print(say_explanation(explanation))
    return 0


if __name__ == "__main__":
    sys.exit(main())
