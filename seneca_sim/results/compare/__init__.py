"""Comparison: which integers of two runs differ, by how much, and which input moved them."""

from seneca_sim.results.compare.causes import Cause, causes
from seneca_sim.results.compare.inputs import Change, changes, inputs_of
from seneca_sim.results.compare.moves import Move, moves, term_moves
from seneca_sim.results.compare.numbers import Numbers, TermNumbers, numbers_of

__all__ = [
    "Cause",
    "Change",
    "Move",
    "Numbers",
    "TermNumbers",
    "causes",
    "changes",
    "inputs_of",
    "moves",
    "numbers_of",
    "term_moves",
]
