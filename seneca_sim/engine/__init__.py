"""Engines: they run a program and count; they never price."""
