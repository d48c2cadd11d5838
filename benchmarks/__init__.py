"""Measurements that anyone can repeat. Each prints tables; docs/benchmarks.md holds what they gave, and where."""

import os

# As the service sets it for its workers, and before torch is imported: idle threads of torch would otherwise spin on
# the cores that another library's threads need.
os.environ.setdefault("GOMP_SPINCOUNT", "20000")
