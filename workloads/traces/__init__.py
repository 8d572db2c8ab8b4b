"""Traces of sparse activity: recorded from a model, synthesised, stored, summed up.

Everything here needs numpy only, except `workloads.traces.record`, which runs a model in torch and
is therefore not imported by this package.
"""

from workloads.traces.batch import in_pieces, in_turns
from workloads.traces.channels import ChannelStats, channel_stats
from workloads.traces.file import read_trace, write_trace
from workloads.traces.sites import (
    BLOCK_SITES,
    CHECK_SITES,
    TraceShape,
    block_sites,
    site_widths,
    trace_shape,
)
from workloads.traces.statistical import statistical_trace
from workloads.traces.stats import (
    MacCount,
    SiteZeros,
    average_sparsity,
    count_macs,
    mac_ratio,
    mean_sparsity,
    zeros_by_site,
)
from workloads.traces.synthesise import synthesise
from workloads.traces.trace import ActivationTrace, SiteTrace

__all__ = [
    "BLOCK_SITES",
    "CHECK_SITES",
    "ActivationTrace",
    "ChannelStats",
    "MacCount",
    "SiteTrace",
    "SiteZeros",
    "TraceShape",
    "average_sparsity",
    "block_sites",
    "channel_stats",
    "count_macs",
    "in_pieces",
    "in_turns",
    "mac_ratio",
    "mean_sparsity",
    "read_trace",
    "site_widths",
    "statistical_trace",
    "synthesise",
    "trace_shape",
    "write_trace",
    "zeros_by_site",
]
