"""``python -m workloads.training``."""

import sys

from workloads.training.cli import main

sys.exit(main())
