"""Phantoms by the thousand, drawn once and kept as one array file for each range of seeds."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from .. import phantom
from ..core.preprocess import square_pixels
from ..parallel import map_in_processes
from ..phantom import FINDINGS, generate
from ..phantom.canvas import Mask

MASK_SIDE = 16
"""Cells along each side of a mask's map."""
_CHUNK = 64
_SHARD = 4000


@dataclass(frozen=True)
class PhantomSet:
    """Phantoms, each with its twin: the same patient on the same film with one finding more or less.

    ``images`` (N, 2, S, S), ``labels`` (N, 2, F) and ``masks`` (N, 2, F, 16, 16), all uint8; the phantom comes first,
    its twin second. ``masks`` hold a mask's share of each cell.
    """

    images: Tensor
    labels: Tensor
    masks: Tensor

    def __len__(self) -> int:
        return len(self.images)


def draw_phantoms(
    first: int, count: int, *, size: int, cache: Path, workers: int = 2, progress: Callable[[int], None] | None = None
) -> PhantomSet:
    """Phantoms of seeds ``first`` to ``first + count - 1``, resized to ``size`` as the engine does.

    Kept in ``cache``, a file for each 4,000, under names that change with the generator's own code. ``progress`` is
    told how many more are done.
    """
    say = progress or (lambda done: None)
    shards = [
        _load_shard(start, min(_SHARD, first + count - start), size, cache, workers, say)
        for start in range(first, first + count, _SHARD)
    ]
    return PhantomSet(*(torch.cat([getattr(shard, f.name) for shard in shards]) for f in fields(PhantomSet)))


def _load_shard(
    first: int, count: int, size: int, cache: Path, workers: int, progress: Callable[[int], None]
) -> PhantomSet:
    file = cache / f"twins-{first}-{count}-{size}-{_generator_version()}.npz"
    if not file.is_file():
        file.parent.mkdir(parents=True, exist_ok=True)
        columns = zip(*_draw_all(first, count, size, workers, progress), strict=True)
        images, labels, masks = (np.concatenate(column) for column in columns)
        with file.with_suffix(".part").open("wb") as part:
            np.savez(part, images=images, labels=labels, masks=masks)
        file.with_suffix(".part").replace(file)
    else:
        progress(count)
    with np.load(file, allow_pickle=False) as stored:
        return PhantomSet(*(torch.from_numpy(stored[f.name]) for f in fields(PhantomSet)))


_Chunk = tuple["np.ndarray[tuple[int, ...], np.dtype[np.uint8]]", ...]


def _draw_all(first: int, count: int, size: int, workers: int, progress: Callable[[int], None]) -> Iterator[_Chunk]:
    starts = range(first, first + count, _CHUNK)
    spans = [range(start, min(start + _CHUNK, first + count)) for start in starts]
    drawn = map_in_processes(partial(_draw_chunk, size=size), spans, workers=workers)
    for span, chunk in zip(spans, drawn, strict=True):
        yield chunk
        progress(len(span))


def _draw_chunk(seeds: range, *, size: int) -> _Chunk:
    images, labels, masks = [], [], []
    for seed in seeds:
        drawn = generate(seed)
        changed = {FINDINGS[seed % len(FINDINGS)]}
        for one in (drawn, generate(seed, findings=changed ^ set(drawn.findings))):
            images.append((square_pixels(one.to_radiograph(), size) * 255).round().to(torch.uint8).numpy())
            labels.append([name in one.masks for name in FINDINGS])
            masks.append(np.stack([_shares(one.masks.get(name)) for name in FINDINGS]))
    columns = np.stack(images), np.array(labels, dtype=np.uint8), np.stack(masks)
    return tuple(column.reshape(-1, 2, *column.shape[1:]) for column in columns)


def _shares(mask: Mask | None) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    if mask is None:
        return np.zeros((MASK_SIDE, MASK_SIDE), dtype=np.uint8)
    covered = functional.adaptive_avg_pool2d(torch.from_numpy(mask).float()[None], MASK_SIDE)[0]
    return (covered * 255).round().to(torch.uint8).numpy()


def _generator_version() -> str:
    digest = hashlib.sha256()
    for source in sorted(Path(phantom.__file__).parent.glob("*.py")):
        digest.update(source.read_bytes())
    return digest.hexdigest()[:12]
