"""Replace this process by a command that the kernel kills when the process that asked for it dies.

``python -m cxrshift.serving.leash PARENT_PID COMMAND...``. A parent that is itself killed with SIGKILL cannot tidy up;
on Linux its children can ask to follow it. The request survives ``exec``, so nothing stays between parent and command.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def die_with_parent(parent: int) -> None:
    """Ask the kernel to kill this process when its parent's thread ends; exit at once if it already has.

    That is, raises SystemExit then.
    """
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL))
    if os.getppid() != parent:  # it died before the request was heard
        raise SystemExit(1)


def main(arguments: list[str]) -> None:
    """Follow the parent named first, then become the command that follows."""
    die_with_parent(int(arguments[0]))
    os.execv(arguments[1], arguments[1:])


if __name__ == "__main__":
    main(sys.argv[1:])
