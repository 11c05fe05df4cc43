import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.quantities import (
    MEMORY_MAX,
    MEMORY_MIN,
    MIB,
    PortRange,
    each_protocol,
    megabytes,
    parse_memory,
    parse_seconds,
    together,
)

UNITS = {"": 1, "b": 1, "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("512m", 512 * MIB),
        ("512M", 512 * MIB),
        ("512mb", 512 * MIB),
        ("512MiB", 512 * MIB),
        ("1g", 1024 * MIB),
        ("1.5g", 1536 * MIB),
        ("0.5GiB", 512 * MIB),
        ("536870912", 512 * MIB),
        ("536870912b", 512 * MIB),
        (" 512m ", 512 * MIB),
        ("512 m", 512 * MIB),
        ("6144k", 6 * MIB),
        ("16t", 16 * 2**40),
        (536870912, 512 * MIB),
    ],
)
def test_memory_as_people_write_it(text: object, size: int) -> None:
    assert parse_memory(text) == size


@pytest.mark.parametrize(
    "value",
    [
        "", " ", "m", "lots", "512x", "512mm", "-512m", "+512m", "5,5g", "0x2000000", "1e9",
        "512 m b",
        ".5g", "1.g", "nan", "inf", "٥١٢m", "512m\n512m", "9" * 10_000,
        "512m\x00", "\ud800", 512.5, None, True, False, [], {}, b"512m",
    ],
)  # fmt: skip
def test_what_is_no_memory_is_refused_with_an_example(value: object) -> None:
    with pytest.raises(ValueError, match="512m"):
        parse_memory(value)


@pytest.mark.parametrize(
    "value", [0, -1, MEMORY_MIN - 1, MEMORY_MAX + 1, "5m", "0", "17t", "9" * 20 + "t", 10**400]
)
def test_memory_outside_what_an_engine_takes_is_refused_with_the_bounds(value: object) -> None:
    with pytest.raises(ValueError, match=r'"6m".*"16t"'):
        parse_memory(value)


@given(size=st.integers(MEMORY_MIN, MEMORY_MAX))
def test_bytes_are_exact(size: int) -> None:
    assert parse_memory(size) == size
    assert parse_memory(str(size)) == size


@given(
    amount=st.integers(0, 2**44),
    unit=st.sampled_from(list(UNITS)),
    ending=st.sampled_from(["", "b", "ib", "B", "iB"]),
    upper=st.booleans(),
)
def test_units_are_powers_of_1024(amount: int, unit: str, ending: str, upper: bool) -> None:
    size = amount * UNITS[unit]
    ending = ending if unit not in ("", "b") else ""
    text = f"{amount}{unit.upper() if upper else unit}{ending}"
    if MEMORY_MIN <= size <= MEMORY_MAX:
        assert parse_memory(text) == size
    else:
        with pytest.raises(ValueError, match="6m"):
            parse_memory(text)


@given(st.text() | st.integers() | st.floats() | st.none() | st.binary())
def test_memory_is_a_size_in_bounds_or_a_value_error(value: object) -> None:
    try:
        size = parse_memory(value)
    except ValueError:
        return
    assert isinstance(size, int)
    assert MEMORY_MIN <= size <= MEMORY_MAX


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0.00 MB"),
        (47427092, "45.23 MB"),
        (512 * MIB, "512.00 MB"),
        (1, "0.00 MB"),
        (None, None),
    ],
)
def test_megabytes(size: int | None, text: str | None) -> None:
    assert megabytes(size) == text


@given(first=st.integers(1, 65535), size=st.integers(1, 65535))
def test_a_port_range_reads_back(first: int, size: int) -> None:
    last = min(first + size - 1, 65535)
    ports = PortRange.parse(f" {first} - {last} ")
    assert (ports.first, ports.last) == (first, last)
    assert PortRange.parse(str(ports)) == ports
    assert ports.size == last - first + 1
    assert first in ports
    assert last in ports
    assert first - 1 not in ports
    assert last + 1 not in ports
    assert str(first) not in ports


@pytest.mark.parametrize(
    "text",
    [
        "", "8001", "8001-", "-8999", "8999-8001", "0-10", "60000-65536", "8001-8999-9000", "a-b",
        "8001–8999", "8001:8999", "8001-8999x", "٨٠٠١-٨٩٩٩", "-1-5", "8001-100000",
    ],
)  # fmt: skip
def test_what_is_no_port_range_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="a port range"):
        PortRange.parse(text)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [(5, 5), (0.5, 0.5), ("90s", 90), ("10m", 600), ("48h", 172800), ("7d", 604800), ("1.5m", 90)],
)
def test_seconds(value: object, seconds: float) -> None:
    assert parse_seconds(value) == seconds


@pytest.mark.parametrize("value", ["", "5", "s", "5 s", "-5s", "5S", "5ms", None, True, [], "٥s"])
def test_malformed_seconds_are_refused(value: object) -> None:
    with pytest.raises(ValueError, match="a time is a number of seconds"):
        parse_seconds(value)


@pytest.mark.parametrize(
    ("together_", "each"),
    [("53/tcp+udp", ["53/tcp", "53/udp"]), ("80/tcp", ["80/tcp"]), ("9/sctp", ["9/sctp"])],
)
def test_container_ports_that_have_one_host_port(together_: str, each: list[str]) -> None:
    assert each_protocol(together_) == each
    assert together(each) == together(each[::-1]) == together_


def test_of_container_ports_with_several_numbers_one_counts() -> None:
    assert together(["53/udp", "54/tcp"]) == "53/udp"
