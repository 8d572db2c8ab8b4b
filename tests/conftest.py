"""Settings of all property tests."""

from hypothesis import settings

# No deadlines: a busy machine would fail tests that are only slow; counters guard speed instead.
settings.register_profile("project", deadline=None)
settings.load_profile("project")
