"""The sensitivity bench's changes: each one field or constant, and back again."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path

sys.path.append(str(Path(__file__).parent / "benchmarks"))

import variants


@dataclass(frozen=True)
class InnerSettings:
    share: float = 0.5
    bends: bool = True


@dataclass(frozen=True)
class OuterSettings:
    few: int = 1
    scales: tuple[float, ...] = (1.0, 3.0)
    inner: InnerSettings | None = field(default_factory=InnerSettings)
    word: str = "none"


@dataclass(frozen=True)
class Toy:
    tol: float = 1e-6
    settings: OuterSettings = field(default_factory=OuterSettings)


def test_every_number_is_halved_and_doubled_and_every_mechanism_switched():
    found = {}
    for variant in variants.of_method(Toy()):
        found.setdefault(variant.where, []).append(variant.new)
    assert found == {
        "settings.few": [2],
        "settings.scales": [(0.5, 1.5), (2.0, 6.0)],
        "settings.inner": [None],
        "settings.inner.share": [0.25, 1.0],
        "settings.inner.bends": [False],
    }


def test_a_variant_changes_its_field_alone():
    (variant,) = [v for v in variants.of_method(Toy()) if v.where.endswith("bends")]
    with variant.applied(Toy()) as changed:
        assert changed == Toy(settings=OuterSettings(inner=InnerSettings(bends=False)))


def test_constants_change_wherever_they_were_imported_and_come_back():
    source = "smoothmin._scale"
    found = variants.of_modules([source])
    home = sys.modules[source]
    before = {name: getattr(home, name) for name in variants.constants(home)}
    assert before
    for variant in found:
        name = variant.where.rsplit(".", 1)[1]
        with variant.applied("method") as method:
            assert method == "method"
            assert getattr(home, name) == variant.new != before[name]
    assert {name: getattr(home, name) for name in before} == before
