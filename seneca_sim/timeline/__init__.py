"""A run as a Perfetto trace: who did what, when, and what it waited for."""

from seneca_sim.timeline.events import DEFAULT_LIMIT, View
from seneca_sim.timeline.trace import TimelineSize, check_perfetto, timeline_bytes, write_timeline

__all__ = [
    "DEFAULT_LIMIT",
    "TimelineSize",
    "View",
    "check_perfetto",
    "timeline_bytes",
    "write_timeline",
]
