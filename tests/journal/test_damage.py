"""Whatever happens to the file, nothing wrong is served, and what is whole is."""

import errno

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from smoothmin import Journal, minimize
from smoothmin.journal.records import FORMAT, LENGTH, MARK, JournalFile, Record

FEW, MANY = 40, 60


def header_of(held):
    """How many bytes the header of a journal takes."""
    first = len(MARK + FORMAT)
    return first + LENGTH.size + LENGTH.unpack_from(held, first)[0]


def value(x):
    return float(np.sum(np.cos(3 * x) + np.abs(x)))


def run(maxfev=MANY, journal=None, **kw):
    options = {"journal": journal, "maxfev": maxfev, "restarts": "budget"}
    return minimize(value, [2.0, -1.0], rng=0, options=options, **kw)


def same(ours, whole):
    return (ours.fun, ours.nfev, ours.nit, *ours.x) == (whole.fun, whole.nfev, whole.nit, *whole.x)


@pytest.fixture(scope="module")
def whole():
    return run()


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """The bytes of a good journal of `FEW` evaluations."""
    path = tmp_path_factory.mktemp("good") / "journal"
    run(FEW, path)
    return path.read_bytes()


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_flipped_bits(data, good, whole, tmp_path):
    path = tmp_path / "journal"
    damaged = bytearray(good)
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(good) - 1))
        damaged[at] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(damaged)
    if damaged == good:
        return
    header = header_of(good)
    if damaged[:header] != good[:header]:
        with pytest.raises(ValueError, match=r"damaged at its beginning|of something else|version"):
            run(journal=path)
        assert path.read_bytes() == damaged
    else:
        with pytest.warns(RuntimeWarning, match="damaged and were cut off"):
            ours = run(journal=path)
        assert same(ours, whole)


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(kept=st.floats(0, 1), tail=st.binary(min_size=1, max_size=200) | st.just(bytes(48)))
def test_torn_ends_and_others_instead(kept, tail, good, whole, tmp_path):
    path = tmp_path / "journal"
    header = header_of(good)
    path.write_bytes(good[: header + int(kept * (len(good) - header))] + tail)
    with pytest.warns(RuntimeWarning, match="damaged and were cut off"):
        assert same(run(journal=path), whole)
    assert same(run(journal=path), whole)  # and no warning


def test_what_comes_before_the_damage_serves(good, whole, tmp_path):
    path = tmp_path / "journal"
    damaged = bytearray(good)
    damaged[-1] ^= 1
    path.write_bytes(damaged)
    calls = []

    def counted(x):
        calls.append(x)
        return value(x)

    options = {"journal": path, "maxfev": MANY, "restarts": "budget"}
    with pytest.warns(RuntimeWarning) as caught:
        minimize(counted, [2.0, -1.0], rng=0, options=options)
    assert any(f"{FEW - 1} evaluations before" in str(each.message) for each in caught)
    assert len(calls) == MANY - FEW + 1


def test_another_version_is_told(good, tmp_path):
    path = tmp_path / "journal"
    path.write_bytes(MARK + b"1\n" + good[len(MARK) + 2 :])
    with pytest.raises(ValueError, match="another version"):
        run(journal=path)


# arrays of any shape are kept as they are

shapes = st.lists(st.integers(0, 3), max_size=2).map(tuple)


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    k=st.integers(1, 4),
    columns=shapes,
    more=st.none() | shapes,
    kind=st.sampled_from([float, complex]),
    seed=st.integers(0, 99),
)
def test_records_come_back_as_they_were(k, columns, more, kind, seed, tmp_path):
    rng = np.random.default_rng(seed)
    record = Record(
        rng.random((k, 3)).astype(kind),
        rng.random((k, *columns)).astype(kind),
        None if more is None else rng.random((k, *more)),
    )
    path = tmp_path / "journal"
    path.unlink(missing_ok=True)
    for expected in (0, k, 2 * k):
        file = JournalFile(str(path), {"run": 1})
        assert (file.count, file.header) == (expected, {"run": 1})
        while (found := file.next()) is not None:
            for ours, theirs in zip(found, record, strict=True):
                assert (ours is None) == (theirs is None)
                if ours is not None:
                    assert ours.dtype == theirs.dtype
                    assert ours.shape == theirs.shape
                    assert np.array_equal(ours, theirs)
        file.add(record)
        file.close()


# a disk that is full


class Full:
    """A file that takes no more than so many bytes, and as many as it likes of them at once."""

    def __init__(self, file, room):
        self._file, self._room = file, room

    def __getattr__(self, name):
        return getattr(self._file, name)

    def write(self, data):
        here = self._file.tell()
        if here >= self._room:
            raise OSError(errno.ENOSPC, "No space left on device")
        return self._file.write(data[: max(1, min(self._room - here, len(data) // 2))])


@pytest.fixture
def full_at(monkeypatch):
    def limit(room):
        opened = JournalFile._opened

        def wrapped(self, header):
            self._file = Full(self._file, room)
            return opened(self, header)

        monkeypatch.setattr(JournalFile, "_opened", wrapped)

    return limit


ROOMS = [0, 100, 1000, 1500, 2001]


@pytest.mark.parametrize("room", ROOMS)
def test_a_full_disk_does_not_end_a_run(room, full_at, whole, tmp_path, monkeypatch):
    path = tmp_path / "journal"
    full_at(room)
    with pytest.warns(RuntimeWarning, match="goes on without it") as caught:
        assert same(run(journal=path), whole)
    assert len(caught) == 1
    assert path.stat().st_size <= room
    monkeypatch.undo()
    assert same(run(journal=path), whole)  # and no warning: the file is good


@pytest.mark.parametrize("room", ROOMS)
def test_a_full_disk_ends_a_run_if_asked_to(room, full_at, whole, tmp_path, monkeypatch):
    journal = Journal(tmp_path / "journal", on_failure="stop")
    full_at(room)
    ours = run(journal=journal)
    assert (ours.success, ours.status) == (False, 7)
    assert "No space left" in ours.message
    assert ours.fun == value(ours.x)
    assert 1 <= ours.nfev < whole.nfev
    monkeypatch.undo()
    assert same(run(journal=journal), whole)


def test_short_writes_are_completed(full_at, whole, tmp_path):
    path = tmp_path / "journal"
    full_at(10**9)
    assert same(run(journal=path), whole)
    assert same(run(journal=path), whole)


def test_bad_arguments(tmp_path):
    for error, kw in [
        (TypeError, {"path": 3.5}),
        (ValueError, {"on_failure": "ignore"}),
        (TypeError, {"check": 0.5}),
        (ValueError, {"check": -1}),
    ]:
        with pytest.raises(error, match=next(iter(kw)) if "path" not in kw else "journal"):
            Journal(**({"path": tmp_path / "journal"} | kw))


def test_what_fits_under_a_limit_of_file_sizes_is_kept(full_at, whole, tmp_path, monkeypatch):
    path = tmp_path / "journal"
    full_at(3000)
    with pytest.warns(RuntimeWarning, match="goes on without it"):
        run(journal=path)
    assert 2500 < path.stat().st_size <= 3000
    monkeypatch.undo()
    assert same(run(journal=path), whole)
