"""Requests made of the OpenAPI page, to the REST port: ``python -m tests.fuzz.rest --seconds 600``.

schemathesis makes valid and invalid requests of every operation; none may end with a 5xx, nor with a status or a form
that the page does not tell.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from cxrshift.serving.stack import Stack, StackConfig

CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"


def explore(url: str, seconds: float, report: Path) -> int:
    """Explore the service at ``url`` for so long; schemathesis' own exit code."""
    program, config = Path(sys.executable).with_name("schemathesis"), Path(__file__).with_name("rest.toml")
    command = [str(program), "--config-file", str(config), "run", f"{url}/openapi.json", "--checks", CHECKS]
    options = ["--max-time", str(int(seconds)), "--phases", "examples,coverage,fuzzing", "--request-timeout", "60"]
    with report.open("wb") as output:
        return subprocess.run([*command, *options, "--no-color"], stdout=output, stderr=output, check=False).returncode


def main(arguments: Sequence[str] | None = None) -> int:
    """Explore a stack of its own; 1 where a check failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.rest", description=__doc__)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--report", type=Path, default=Path("out/fuzz-rest.txt"))
    given = parser.parse_args(arguments)
    given.report.parent.mkdir(parents=True, exist_ok=True)
    phantom = Path(__file__).resolve().parents[2] / "model_store/phantom"
    with Stack(StackConfig(models=(phantom,))) as stack:
        code = explore(stack.rest_url, given.seconds, given.report)
        sys.stdout.write(given.report.read_text("utf-8")[-3000:])
        if code:
            sys.stderr.write(stack.gateway.log())
    return int(code != 0)


if __name__ == "__main__":
    sys.exit(main())
