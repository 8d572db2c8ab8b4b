"""What work costs: countable ops, micro-kernels, cycle functions shared by the engines, energy."""
