"""Statistics: point estimates over runs and tasks, and intervals that say how sure they are.

In this room: interquartile mean and its kin, stratified bootstrap, probability of improvement, paired differences
(what verdicts of claims rest on), proportions, slopes, and confidence sequences that may be looked at all along. NumPy
in, NumPy or `Interval` out; nothing here acts or learns.
May import: numpy, scipy, pilothouse.core. Imported by: train and every room above it.
"""

from pilothouse.statistics.aggregates import Statistic as Statistic
from pilothouse.statistics.aggregates import interquartile_mean as interquartile_mean
from pilothouse.statistics.aggregates import mean as mean
from pilothouse.statistics.aggregates import median_of_task_means as median_of_task_means
from pilothouse.statistics.aggregates import optimality_gap as optimality_gap
from pilothouse.statistics.bootstrap import stratified_bootstrap_interval as stratified_bootstrap_interval
from pilothouse.statistics.improvement import probability_of_improvement as probability_of_improvement
from pilothouse.statistics.improvement import probability_of_improvement_interval as probability_of_improvement_interval
from pilothouse.statistics.interval import Interval as Interval
from pilothouse.statistics.paired import mean_interval as mean_interval
from pilothouse.statistics.paired import paired_bootstrap_interval as paired_bootstrap_interval
from pilothouse.statistics.paired import paired_difference_interval as paired_difference_interval
from pilothouse.statistics.proportions import wilson_interval as wilson_interval
from pilothouse.statistics.sequential import ConfidenceSequence as ConfidenceSequence
from pilothouse.statistics.sequential import asymptotic_sequence as asymptotic_sequence
from pilothouse.statistics.sequential import bounded_sequence as bounded_sequence
from pilothouse.statistics.sequential import sub_gaussian_sequence as sub_gaussian_sequence
from pilothouse.statistics.slopes import slope as slope
from pilothouse.statistics.slopes import slope_interval as slope_interval
from pilothouse.statistics.slopes import slope_interval_over_seeds as slope_interval_over_seeds
