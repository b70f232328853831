"""Data: datasets in memory and the formats they come from, stores that remember, samplers that draw from both.

In this room: `Dataset` (flat arrays), `read_dataset` (one door to Minari, D4RL, OGBench, LeRobot and tables, with a cache
of the flat form), writers, preference pairs, dataset quality, rings and samplers. Nothing here trains, acts, or unpickles.
May import: jax, numpy, pilothouse.core; h5py, pyarrow, minari and gymnasium inside functions.
"""

from pilothouse.data.dataset import Dataset as Dataset
from pilothouse.data.dataset import Scaler as Scaler
from pilothouse.data.episodes import Episode as Episode
from pilothouse.data.episodes import dataset_from_episodes as dataset_from_episodes
from pilothouse.data.episodes import dataset_from_transitions as dataset_from_transitions
from pilothouse.data.minari_format import read_minari as read_minari
from pilothouse.data.minari_write import write_minari as write_minari
from pilothouse.data.preferences import PreferencePairs as PreferencePairs
from pilothouse.data.preferences import preference_pairs as preference_pairs
from pilothouse.data.preferences import read_preferences as read_preferences
from pilothouse.data.reading import read_dataset as read_dataset
