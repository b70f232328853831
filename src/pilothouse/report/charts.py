"""The charts of the report room: pure functions from plain data to SVG.

Each takes `width` in pixels and draws for it: text keeps its size, so a chart for a telephone is laid out anew, not
shrunk. Each takes `describe`, to which it adds its main numbers, for those who cannot see it. Values that are not
finite are left out, and the chart says how many. Colours come from the style sheet, so that dark pages and paper get
their own; `standalone` puts them into a file that is viewed by itself.
"""

from functools import cache
from importlib import resources

from pilothouse.report.curve_chart import Curve as Curve
from pilothouse.report.curve_chart import curve_of_runs as curve_of_runs
from pilothouse.report.curve_chart import curve_of_seeds as curve_of_seeds
from pilothouse.report.curve_chart import learning_curves as learning_curves
from pilothouse.report.frame import NARROW as NARROW
from pilothouse.report.frame import WIDE as WIDE
from pilothouse.report.frame import Reference as Reference
from pilothouse.report.histogram_chart import Group as Group
from pilothouse.report.histogram_chart import histogram as histogram
from pilothouse.report.markup import Markup, element
from pilothouse.report.row_charts import Bar as Bar
from pilothouse.report.row_charts import IntervalRow as IntervalRow
from pilothouse.report.row_charts import SeedRow as SeedRow
from pilothouse.report.row_charts import bars as bars
from pilothouse.report.row_charts import intervals as intervals
from pilothouse.report.row_charts import seed_dots as seed_dots


@cache
def chart_style() -> str:
    """The style sheet of charts: colours for light, dark and paper, weights, fonts."""
    return resources.files("pilothouse.report").joinpath("chart.css").read_text("utf-8")


def standalone(chart: Markup) -> str:
    """The chart as an SVG file of its own, with its style inside and a background."""
    style = element("style", Markup(chart_style() + "svg{background:var(--paper)}"))
    return chart.replace('<svg class="chart"', '<svg xmlns="http://www.w3.org/2000/svg" class="chart"', 1).replace(
        ">", f">{style}", 1
    )
