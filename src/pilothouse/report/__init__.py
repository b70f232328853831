"""Report: what was learned and measured, as pages worth reading.

In this room: charts drawn as SVG, pages assembled from sections, videos small enough to live inside a page, and the
reports of a run and of the quickstart. A page is one file that fetches nothing. Plain data
come in, and every sentence is computed from them. `quickstart.py` alone acts, learns and measures: it is the main job
itself, which gathers the data of its own report from the rooms below.
May import: every room below; imageio-ffmpeg and Pillow where they are installed.
Imported by: serve, cli.
"""

from pilothouse.report.page import Page as Page
from pilothouse.report.page import write_page as write_page
from pilothouse.report.quickstart_data import DatasetQuality as DatasetQuality
from pilothouse.report.quickstart_data import Estimate as Estimate
from pilothouse.report.quickstart_data import Level as Level
from pilothouse.report.quickstart_data import MethodResult as MethodResult
from pilothouse.report.quickstart_data import OffPolicyEstimate as OffPolicyEstimate
from pilothouse.report.quickstart_data import OnlineRun as OnlineRun
from pilothouse.report.quickstart_data import QuickstartData as QuickstartData
from pilothouse.report.quickstart_report import write_quickstart_report as write_quickstart_report
from pilothouse.report.run_report import write_run_report as write_run_report
from pilothouse.report.verdict import Verdict as Verdict
from pilothouse.report.verdict import verdict as verdict
