"""Compiler tests make chips as the engine tests do."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "engine"))
