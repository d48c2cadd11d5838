"""The service in a network of its own, where packets are lost: ``unshare -n python -m tests.faults.lossy STORE OUT``.

The kernel drops them, so that TCP and gRPC meet what they meet on a bad network. OUT becomes a JSON list of what
callers heard.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import psutil

from tests.faults.asks import Ask, make_asks
from tests.faults.load import Calm, Load, ask_calmly, seconds_until_normal
from tests.faults.pod import Pod, callers_of
from tests.faults.report import Line

LOSS_PERCENT = 30
LOSSY_SECONDS = 25.0


def main(store: Path, out: Path) -> None:
    """Run both faults, one after the other."""
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    asks = make_asks()
    with Pod(store) as pod:
        calm = find_answers(pod, asks)
        lines = [lose_packets(pod, asks, calm), lose_a_connection(pod, asks, calm)]
    out.write_text(json.dumps([asdict(line) for line in lines]), "utf-8")


def find_answers(pod: Pod, asks: tuple[Ask, ...]) -> Calm:
    """The right answers."""
    with pod.gateway() as gateway:
        return ask_calmly(callers_of(gateway, each=1), asks)


def lose_packets(pod: Pod, asks: tuple[Ask, ...], calm: Calm) -> Line:
    """Both ways, of every connection to TorchServe."""
    with pod.gateway() as gateway:
        with Load(callers_of(gateway), asks, calm) as load:
            load.wait_for_answers(4)
            with dropping(f"tcp dport {pod.config.grpc_port}", f"tcp sport {pod.config.grpc_port}", LOSS_PERCENT):
                time.sleep(LOSSY_SECONDS)
            load.wait_for_answers(4)
        summary = load.summary()
        normal = seconds_until_normal(callers_of(gateway, each=1), asks, calm, patience=60)
    return Line(f"link to TorchServe loses {LOSS_PERCENT}% of packets", summary, normal)


def lose_a_connection(pod: Pod, asks: tuple[Ask, ...], calm: Calm) -> Line:
    """The one that the gateway has falls silent for good, as when a machine dies; a new one would work."""
    port = pod.config.grpc_port
    with pod.gateway() as gateway:
        with Load(callers_of(gateway), asks, calm) as load:
            load.wait_for_answers(4)
            connections = psutil.Process(gateway.pid).net_connections("tcp")
            own = ",".join(str(c.laddr.port) for c in connections if c.raddr and c.raddr.port == port)
            with dropping(f"tcp dport {port} tcp sport {{{own}}}", f"tcp sport {port} tcp dport {{{own}}}", 100):
                began = time.monotonic()
                time.sleep(0.5)
                load.wait_for_answers(4)
                noticed = time.monotonic() - began
                normal = seconds_until_normal(callers_of(gateway, each=1), asks, calm, patience=60)
        summary = load.summary()
    return Line("connection to TorchServe falls silent", summary, normal, f"another one in use after {noticed:.0f} s")


@contextmanager
def dropping(first: str, second: str, percent: int) -> Iterator[None]:
    """While the body runs, so many of the packets of either kind are lost."""
    chance = f"numgen random mod 100 < {percent}" if percent < 100 else ""
    rules = "\n".join(f"add rule inet faults loss {match} {chance} drop" for match in (first, second))
    nft(f"add table inet faults\nadd chain inet faults loss {{ type filter hook input priority 0; }}\n{rules}\n")
    try:
        yield
    finally:
        nft("delete table inet faults\n")


def nft(commands: str) -> None:
    """Give the kernel these rules."""
    subprocess.run(["nft", "-f", "-"], input=commands, text=True, check=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
