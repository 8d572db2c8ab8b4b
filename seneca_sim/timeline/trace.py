"""The file: descriptors and names by the official classes, slices and samples by `wire`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from math import gcd
from pathlib import Path
from typing import Any, Final

import numpy as np

from seneca_sim.errors import InputError
from seneca_sim.files import write_bytes
from seneca_sim.results.run import RunResult
from seneca_sim.timeline import wire
from seneca_sim.timeline.counters import Samples, depths_of, power_of, power_samples
from seneca_sim.timeline.events import Names, Slices, View, slices_of
from seneca_sim.timeline.tracks import Track, Tracks
from seneca_sim.timeline.wire import Bytes, Ints, Piece

NANO: Final = 10**9
SEQUENCE: Final = 1
# TrackEvent.Type
BEGIN, END, INSTANT, COUNTER = 1, 2, 3, 4
# Sequence flags: this packet starts the state that others need; it needs the state.
CLEARED, NEEDS_STATE = 1, 2
# Places of messages of the same cycle: what ends comes before what begins.
END_INNER, END_OUTER, SAMPLE, BEGIN_OUTER, BEGIN_INNER = range(5)
RANKS: Final = 8
# Fields of TracePacket, TrackEvent and DebugAnnotation
PACKET, TIMESTAMP, SEQUENCE_ID, FLAGS, TRACK_EVENT = 1, 8, 10, 13, 11
ANNOTATION, TYPE, NAME_IID, TRACK_UUID, COUNTER_VALUE = 4, 9, 10, 11, 30
DOUBLE_COUNTER_VALUE, FLOW_IDS, TERMINATING_FLOW_IDS = 44, 47, 48
ANNOTATION_NAME, ANNOTATION_UINT = 1, 3


@dataclass(frozen=True)
class TimelineSize:
    """What a timeline has: slices (with instants), samples of counters, arrows, tracks, bytes."""

    slices: int
    samples: int
    arrows: int
    tracks: int
    bytes: int


def check_perfetto() -> None:
    """Refuse, before anything is computed, where the trace format's classes are missing.

    Raises:
        InputError: naming what to install.
    """
    if find_spec("perfetto") is None:
        raise InputError("a timeline needs perfetto: pip install 'seneca-sim[timeline]'")


def write_timeline(path: str | Path, result: RunResult, view: View | None = None) -> TimelineSize:
    """Write a run as a Perfetto trace.

    Args:
        path: file, by custom NAME.pftrace.
        result: a run with both logs.
        view: what to show; everything by default.

    Raises:
        CapacityError: more slices than the view allows.
        InputError: nothing to show, perfetto is not installed, or the file cannot be written.
    """
    data, size = timeline_bytes(result, view or View())
    if not size.slices:
        raise InputError(
            f"{path}: nothing happens in what is chosen; the run has {result.cycles:,} cycles and "
            f"{len(result.tokens.start)} tokens"
        )
    write_bytes(path, data)
    return size


def timeline_bytes(result: RunResult, view: View) -> tuple[bytes, TimelineSize]:
    """A run as a Perfetto trace; the same run gives the same bytes."""
    check_perfetto()
    names, notes = Names(), Names()
    slices = slices_of(result, view, names)
    powers = power_of(result) if view.counters else {}
    samples: list[Samples] = []
    if view.counters:
        samples = [*depths_of(result, view), *power_samples(result, view, powers)]
    clock = Clock(result.chip.clock_hz)
    kinds = [kind for part in slices for kind in _slice_messages(part, clock, notes)]
    kinds += [_sample_messages(part, clock) for part in samples]
    uuids = [part.track for part in slices] + [part.track for part in samples]
    used = np.unique(np.concatenate(uuids)).tolist() if uuids else []
    tracks = Tracks(result.chip).used(used, powers)
    body = wire.merged(kinds).tobytes() if kinds else b""
    data = _head(tracks, names, notes) + body
    arrows = sum(0 if part.arrow_in is None else len(part) for part in slices)
    size = TimelineSize(
        slices=sum(map(len, slices)),
        samples=sum(len(part.track) for part in samples),
        arrows=arrows,
        tracks=sum(1 for track in tracks if track.parent),
        bytes=len(data),
    )
    return data, size


class Clock:
    """Cycles as whole nanoseconds, rounded down, so that the order of cycles is kept."""

    def __init__(self, clock_hz: int) -> None:
        common = gcd(NANO, clock_hz)
        self.times, self.over = NANO // common, clock_hz // common

    def ns(self, cycles: Ints) -> Ints:
        """Nanoseconds."""
        return cycles * self.times // self.over


# -- messages by the million -------------------------------------------------------------------


def _message(ns: Ints, event: Sequence[Piece], flags: bytes = b"") -> Bytes:
    """Trace.packet with a time and a TrackEvent."""
    packet: list[Piece] = [wire.tag(TIMESTAMP, wire.VARINT), wire.varints(ns)]
    packet += [wire.tag(SEQUENCE_ID, wire.VARINT) + wire.varint(SEQUENCE) + flags]
    packet += wire.nested(TRACK_EVENT, event)
    return wire.rows(len(ns), wire.nested(PACKET, packet))


def _event(kind: int, track: Ints) -> list[Piece]:
    typed = wire.tag(TYPE, wire.VARINT) + wire.varint(kind)
    return [typed + wire.tag(TRACK_UUID, wire.VARINT), wire.varints(track)]


def _slice_messages(slices: Slices, clock: Clock, notes: Names) -> Iterable[tuple[Ints, Bytes]]:
    """Begins and ends; where no time passes, instants."""
    lasting = slices.end > slices.start
    begin_rank, end_rank = (BEGIN_INNER, END_INNER) if slices.inner else (BEGIN_OUTER, END_OUTER)
    for kind, part in ((BEGIN, slices.where(lasting)), (INSTANT, slices.where(~lasting))):
        if not len(part):
            continue
        flags = wire.tag(FLAGS, wire.VARINT) + wire.varint(NEEDS_STATE)
        begin = _message(clock.ns(part.start), _begin(kind, part, notes), flags)
        yield part.start * RANKS + begin_rank, begin
        if kind == BEGIN:
            yield part.end * RANKS + end_rank, _message(clock.ns(part.end), _event(END, part.track))


def _begin(kind: int, part: Slices, notes: Names) -> list[Piece]:
    event = _event(kind, part.track)
    event += [wire.tag(NAME_IID, wire.VARINT), wire.varints(part.name)]
    for name, values in part.notes.items():
        head = wire.tag(ANNOTATION_NAME, wire.VARINT) + wire.varint(notes.of(name))
        head += wire.tag(ANNOTATION_UINT, wire.VARINT)
        event += wire.nested(ANNOTATION, [head, wire.varints(values)])
    if part.arrow_in is not None:
        event += [wire.tag(TERMINATING_FLOW_IDS, wire.FIXED64), wire.fixed64(part.arrow_in)]
    if part.arrows_out is not None:
        for column in part.arrows_out.T:
            event += [wire.tag(FLOW_IDS, wire.FIXED64), wire.fixed64(column)]
    return event


def _sample_messages(samples: Samples, clock: Clock) -> tuple[Ints, Bytes]:
    event = _event(COUNTER, samples.track)
    if samples.value.dtype.kind == "f":
        event += [wire.tag(DOUBLE_COUNTER_VALUE, wire.FIXED64), wire.fixed64(samples.value)]
    else:
        values: Ints = samples.value.astype(np.int64)
        event += [wire.tag(COUNTER_VALUE, wire.VARINT), wire.varints(values)]
    return samples.cycle * RANKS + SAMPLE, _message(clock.ns(samples.cycle), event)


# -- messages of which there are few -----------------------------------------------------------


def _head(tracks: Iterable[Track], names: Names, notes: Names) -> bytes:
    """Names, then tracks, parents first."""
    from perfetto.protos.perfetto.trace import perfetto_trace_pb2 as protos

    trace = protos.Trace()
    first = trace.packet.add()
    first.trusted_packet_sequence_id, first.sequence_flags = SEQUENCE, CLEARED
    for name, iid in names.ids.items():
        first.interned_data.event_names.add(iid=iid, name=name)
    for name, iid in notes.ids.items():
        first.interned_data.debug_annotation_names.add(iid=iid, name=name)
    for track in tracks:
        packet = trace.packet.add()
        packet.trusted_packet_sequence_id = SEQUENCE
        _describe(packet.track_descriptor, track, protos)
    data: bytes = trace.SerializeToString(deterministic=True)
    return data


def _describe(descriptor: Any, track: Track, protos: Any) -> None:
    descriptor.uuid = track.uuid
    descriptor.child_ordering = protos.TrackDescriptor.EXPLICIT
    if not track.parent:
        descriptor.process.pid = track.rank + 1
        descriptor.process.process_name = track.name
        return
    descriptor.name, descriptor.parent_uuid = track.name, track.parent
    descriptor.sibling_order_rank = track.rank
    if track.unit:
        descriptor.counter.unit_name = track.unit
