"""The main job's first half: from a model and text to traces and accuracy.

`inputs` says what runs, `prepare` records it (and needs torch), `accuracy` measures bits per byte
and remembers them. The second half, from traces to energy, is `seneca_sim`'s.
"""

from workloads.job.inputs import Inputs, shipped_inputs

__all__ = ["Inputs", "shipped_inputs"]
