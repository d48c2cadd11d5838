"""A remembered encoding saves passes and alters no bit of a reply."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from cxrshift.core.engine import Engine, Order
from cxrshift.core.recent import Encoding, RecentEncodings
from cxrshift_api import codec
from cxrshift_api.types import ExplainOptions, FileDigest, Problem
from tests.core.toys import ConvolutionalModel, noise


class Counting(ConvolutionalModel):
    """Counts the images that it encodes."""

    encoded = 0

    def encode(self, images: Tensor) -> Tensor:
        self.encoded += len(images)
        return super().encode(images)


def order(seed: int, finding: str) -> Order:
    return Order(noise(seed, 32, 32), ExplainOptions((finding,)))


def explained(engine: Engine, orders: list[Order]) -> list[bytes]:
    outcomes = engine.explain(orders).outcomes
    return [
        codec.to_bytes(codec.encode_explanation(e)) for own in outcomes if not isinstance(own, Problem) for e in own
    ]


def test_a_hit_equals_a_miss_to_the_bit() -> None:
    model = Counting()
    engine = Engine(model, recent=4)
    first = explained(engine, [order(0, "A"), order(1, "B")])
    again = explained(engine, [order(1, "B"), order(2, "C"), order(0, "A"), order(0, "C")])
    assert model.encoded == 3
    assert [again[2], again[0]] == first
    plain = Engine(Counting())
    assert again == explained(plain, [order(1, "B"), order(2, "C"), order(0, "A"), order(0, "C")])


def test_a_hit_is_no_row_of_the_encoder() -> None:
    engine = Engine(ConvolutionalModel(), recent=1)
    first, again = (engine.explain([order(0, "A")]).rows for _ in range(2))
    assert again == first - 1


def test_an_engine_remembers_nothing_unless_asked_to() -> None:
    model = Counting()
    engine = Engine(model)
    for _ in range(2):
        explained(engine, [order(0, "A")])
    assert model.encoded == 2


def test_the_radiograph_unused_for_longest_is_forgotten_first() -> None:
    model = Counting()
    engine = Engine(model, recent=2)
    for seed in (0, 1, 0, 2, 0):  # 2 takes the place of 1
        explained(engine, [order(seed, "A")])
    assert model.encoded == 3
    explained(engine, [order(1, "A")])
    assert model.encoded == 4


def encoding(value: float) -> Encoding:
    batch = torch.full((100, 8), value)
    return Encoding(batch[0], np.full((100, 3), value, np.float32)[0])


def test_memory_is_bounded_and_holds_no_batch() -> None:
    recent = RecentEncodings(3)
    for value in range(50):
        recent.keep(recent.key(torch.full((1, 4, 4), float(value))), encoding(value))
    assert len(recent) == 3
    kept = recent.find(recent.key(torch.full((1, 4, 4), 49.0)))
    assert kept is not None
    assert kept.latent.untyped_storage().nbytes() == kept.latent.nbytes
    assert kept.scores.base is None
    assert not kept.scores.flags.writeable


def test_the_key_tells_pixels_and_models_apart() -> None:
    image = torch.zeros(1, 4, 4)
    other = image.clone()
    other[0, 3, 3] = 1e-30
    one, two = (RecentEncodings(1, [FileDigest("weights", digest)]) for digest in ("00", "11"))
    assert len({one.key(image), one.key(other), two.key(image), two.key(other)}) == 4
    assert one.key(image) == one.key(image.clone())


def test_a_negative_number_of_encodings_is_refused() -> None:
    with pytest.raises(ValueError, match="negative"):
        Engine(ConvolutionalModel(), recent=-1)
