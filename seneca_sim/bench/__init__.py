"""Programs that anybody can make again, and how fast the engines are on them.

`hand` makes small ones and public workloads, `llm` streams of the size of large RWKV-4 models,
`measure` runs and times, `floors` what no event loop can beat. The command is in `cli`.
"""
