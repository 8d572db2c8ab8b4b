"""One thread for each test process, and profiles of property tests: `push`, and `nightly`.

The second is `pytest -m hypothesis --hypothesis-profile=nightly`. Tests whose examples are costly,
or whose number is chosen, set it themselves.
"""

import os

from hypothesis import settings

# Before torch is loaded: its threads would wait for one another in loops, for models this small.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# No deadlines: a busy machine would fail tests that are only slow; counters guard speed instead.
settings.register_profile("push", deadline=None, max_examples=40)
settings.register_profile("nightly", deadline=None, max_examples=1000)
settings.load_profile("push")
