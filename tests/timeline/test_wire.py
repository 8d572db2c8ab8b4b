"""Rows of bytes, read back by the official classes."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from perfetto.protos.perfetto.trace import perfetto_trace_pb2 as protos

from seneca_sim.timeline import wire

NUMBERS = st.lists(st.integers(0, 2**62), min_size=1, max_size=20)


@given(NUMBERS)
def test_varints_and_fixed_numbers(numbers: list[int]) -> None:
    values = np.array(numbers, np.int64)
    pieces = [wire.tag(8, wire.VARINT), wire.varints(values)]
    pieces += wire.nested(11, [wire.tag(47, wire.FIXED64), wire.fixed64(values)])
    for row, number in zip(wire.rows(len(values), pieces), numbers, strict=True):
        packet = protos.TracePacket.FromString(row.tobytes())
        assert packet.timestamp == number
        assert packet.track_event.flow_ids == [number]


@given(st.lists(st.floats(allow_nan=False), min_size=1, max_size=9))
def test_doubles(values: list[float]) -> None:
    pieces = [wire.tag(44, wire.FIXED64), wire.fixed64(np.array(values))]
    rows = wire.rows(len(values), pieces)
    read = [protos.TrackEvent.FromString(row.tobytes()).double_counter_value for row in rows]
    assert read == values


@given(st.lists(st.tuples(st.integers(0, 9), st.booleans()), max_size=30))
def test_messages_are_merged_by_key_and_keep_their_order(messages: list[tuple[int, bool]]) -> None:
    kinds = []
    for wide in (False, True):
        keys = np.array([key for key, is_wide in messages if is_wide == wide], np.int64)
        width = 5 if wide else 2
        rows = np.full((len(keys), width), 0, np.uint8)
        rows[:, 0], rows[:, 1] = keys + 100 * wide, np.arange(len(keys))
        kinds.append((keys, rows))
    got = wire.merged(kinds).tobytes()
    expected = sorted(
        ((int(key), kind, index) for kind, (keys, _) in enumerate(kinds)
         for index, key in enumerate(keys)),
    )  # fmt: skip
    assert got == b"".join(kinds[kind][1][index].tobytes() for _, kind, index in expected)


def test_a_message_by_hand() -> None:
    """Field 1, varint 150 is 08 96 01 in the format's own documentation; padded, one byte more."""
    assert wire.tag(1, wire.VARINT) + wire.varint(150) == bytes([0x08, 0x96, 0x01])
    assert wire.varints(np.array([150, 1 << 14])).tolist() == [[0x96, 0x81, 0], [0x80, 0x80, 1]]
