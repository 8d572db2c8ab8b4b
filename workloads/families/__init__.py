"""Families of models: the words for their dimensions, their sites, and the matrices behind them.

A `Shape` says how large a model is, a `Family` what it is made of. Nothing here needs weights, so
parameters and MACs of any size are closed forms (docs/zoo.md).
"""

from workloads.families.family import FAMILIES, Family, Site, family_of
from workloads.families.shape import Shape, fault_of

__all__ = ["FAMILIES", "Family", "Shape", "Site", "family_of", "fault_of"]
