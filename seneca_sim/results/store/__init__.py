"""The append-only store of many runs: one folder, one file a writer, one checked line a record."""

from seneca_sim.results.store.record import SCHEMA, Record
from seneca_sim.results.store.store import Damage, Store
from seneca_sim.results.store.writer import Writer

__all__ = ["SCHEMA", "Damage", "Record", "Store", "Writer"]
