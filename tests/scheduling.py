"""Which test process runs what, and when: what is dear is set up once, and nobody waits for one last long file.

xdist's ``loadfile`` keeps a file's tests together and begins with the files of the most tests. Here a few files take
minutes for a handful of tests, and so would begin last, one process alone with each of them.
"""

from __future__ import annotations

from xdist.scheduler import LoadFileScheduling
from xdist.workermanage import WorkerController

SHARING = ("tests/stack/", "tests/browser/")
"""Folders whose files share one TorchServe and one gateway, and so one process."""

LONGEST_FIRST = (
    SHARING[0],
    "tests/evaluation/test_quality_study.py",
    "tests/docs/test_blocks_run.py",
    "tests/oracles/test_published_code.py",
    "tests/runtime/test_runtimes.py",
    "tests/models/test_imported_formats.py",
    "tests/models/test_imported.py",
    "tests/cli/test_commands.py",
    "tests/pacs/bridge/test_scp.py",
    "tests/examples/test_notebook.py",
    "tests/serving/test_torchserve.py",
)
"""What takes the longest, as measured; the others follow by their number of tests."""


class LongestFirst(LoadFileScheduling):  # type: ignore[misc]
    """As ``loadfile``, with one place for all that share a service, and the longest files first."""

    def _split_scope(self, nodeid: str) -> str:
        return SHARING[0] if nodeid.startswith(SHARING) else str(super()._split_scope(nodeid))

    def _assign_work_unit(self, node: WorkerController) -> None:
        self.workqueue.move_to_end(min(self.workqueue, key=self._rank), last=False)
        super()._assign_work_unit(node)

    def _rank(self, scope: str) -> tuple[int, int]:
        place = LONGEST_FIRST.index(scope) if scope in LONGEST_FIRST else len(LONGEST_FIRST)
        return place, -len(self.workqueue[scope])
