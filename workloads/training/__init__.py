"""How the shipped models were made: two small language models over bytes, trained from a text.

`run.train` is the whole recipe as one function of `settings.Settings`; ``python -m
workloads.training`` is its command line. It needs torch, numpy and safetensors and nothing else of
this package's dependencies, so that it can run where there is a GPU and little besides.

The parts: `data` cuts the text, `chunked` is the wkv average as matrix products, `rwkv4` and
`opt` are the modules, `optim` the optimiser, its schedule and the average of the weights,
`run` the loop, `state` what is needed to go on after a kill, `evaluate` bits per byte, `export`
the files that others read, `card` the text that tells where a model comes from.
"""
