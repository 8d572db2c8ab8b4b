"""What a person reads: a run's answer in plain lines."""

from seneca_sim.report.text import Extras, render_report, render_run

__all__ = ["Extras", "render_report", "render_run"]
