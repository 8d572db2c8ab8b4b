"""Traces of sparse activity: recorded from a model, synthesised, stored, summed up.

Everything here needs numpy only, except `workloads.traces.record`, which runs a model in torch and
is therefore not imported by this package.
"""

from workloads.traces.file import read_trace, write_trace
from workloads.traces.sites import BLOCK_SITES, CHECK_SITES, TraceShape, block_sites, site_widths
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
    "MacCount",
    "SiteTrace",
    "SiteZeros",
    "TraceShape",
    "average_sparsity",
    "block_sites",
    "count_macs",
    "mac_ratio",
    "mean_sparsity",
    "read_trace",
    "site_widths",
    "synthesise",
    "write_trace",
    "zeros_by_site",
]
