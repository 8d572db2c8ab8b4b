"""What runs on the machine: models, sparsification, traces and the compiler."""
