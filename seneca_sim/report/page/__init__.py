"""The report as one page: all data, styles and scripts inside, nothing fetched."""

from seneca_sim.report.page.run_page import run_page
from seneca_sim.report.page.study_page import Points, store_points, study_page

__all__ = ["Points", "run_page", "store_points", "study_page"]
