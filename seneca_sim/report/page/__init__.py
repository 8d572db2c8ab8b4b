"""The report as one page: all data, styles and scripts inside, nothing fetched."""

from seneca_sim.report.page.run_page import run_page

__all__ = ["run_page"]
