"""A trace read back with the official classes, and replayed as Perfetto would."""

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from perfetto.protos.perfetto.trace import perfetto_trace_pb2 as protos

EVENT = protos.TrackEvent


@dataclass
class Slice:
    track: int
    name: str
    start: int
    end: int = -1
    depth: int = 0
    notes: dict[str, int] = field(default_factory=dict)
    flows: list[int] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)


@dataclass
class Decoded:
    tracks: dict[int, Any]
    slices: list[Slice]
    counters: dict[int, list[tuple[int, float]]]

    def path(self, uuid: int) -> tuple[str, ...]:
        """Names from the process down."""
        descriptor = self.tracks[uuid]
        if descriptor.HasField("process"):
            return (descriptor.process.process_name,)
        return (*self.path(descriptor.parent_uuid), descriptor.name)

    def by_path(self) -> dict[tuple[str, ...], list[Slice]]:
        found = defaultdict(list)
        for slice_ in self.slices:
            found[self.path(slice_.track)].append(slice_)
        return found

    def counters_by_path(self) -> dict[tuple[str, ...], list[tuple[int, float]]]:
        return {tuple(self.path(uuid)): samples for uuid, samples in self.counters.items()}

    def counter(self, *path: str) -> list[tuple[int, float]]:
        (uuid,) = [u for u in self.counters if self.path(u) == path]
        return self.counters[uuid]


def decode(data: bytes) -> Decoded:
    """Check what every reader relies on, and pair begins with ends."""
    trace = protos.Trace()
    trace.ParseFromString(data)
    first = trace.packet[0]
    assert first.sequence_flags & 1  # the state of names begins here
    names = {e.iid: e.name for e in first.interned_data.event_names}
    notes = {e.iid: e.name for e in first.interned_data.debug_annotation_names}
    tracks: dict[int, Any] = {}
    found = Decoded(tracks, [], defaultdict(list))
    stacks: dict[int, list[Slice]] = defaultdict(list)
    now = 0
    for packet in trace.packet[1:]:
        assert packet.trusted_packet_sequence_id == first.trusted_packet_sequence_id
        if packet.HasField("track_descriptor"):
            descriptor = packet.track_descriptor
            assert descriptor.uuid
            assert descriptor.uuid not in tracks
            assert not descriptor.parent_uuid or descriptor.parent_uuid in tracks
            tracks[descriptor.uuid] = descriptor
            continue
        assert packet.timestamp >= now  # in order of time
        now, event = packet.timestamp, packet.track_event
        descriptor = tracks[event.track_uuid]
        if event.type == EVENT.TYPE_COUNTER:
            assert descriptor.HasField("counter")
            double = event.HasField("double_counter_value")
            value = event.double_counter_value if double else event.counter_value
            samples = found.counters[event.track_uuid]
            assert not samples or samples[-1][0] < now
            samples.append((now, value))
            continue
        assert not descriptor.HasField("counter")
        stack = stacks[event.track_uuid]
        if event.type == EVENT.TYPE_SLICE_END:
            stack.pop().end = now
            continue
        assert packet.sequence_flags & 2  # it needs the names
        slice_ = Slice(event.track_uuid, names[event.name_iid], now, depth=len(stack))
        slice_.notes = {notes[a.name_iid]: a.uint_value for a in event.debug_annotations}
        slice_.flows, slice_.ends = list(event.flow_ids), list(event.terminating_flow_ids)
        found.slices.append(slice_)
        if event.type == EVENT.TYPE_SLICE_BEGIN:
            stack.append(slice_)
        else:
            assert event.type == EVENT.TYPE_INSTANT
            slice_.end = now
    assert not any(stacks.values())  # every slice has ended
    return found
