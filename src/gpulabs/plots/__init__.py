"""The pictures of the labs and of the report; each function returns a `Picture`."""

from gpulabs.plots.access import access_map
from gpulabs.plots.bars import ladder_bars, occupancy_bars
from gpulabs.plots.blocking import register_map
from gpulabs.plots.confusion import confused_pairs, confusion_map
from gpulabs.plots.image_rows import image_rows
from gpulabs.plots.learning import learning_curves
from gpulabs.plots.measuring import busy_lanes, launch_timeline, throughput_knee, trace_plot
from gpulabs.plots.memory import memory_bars
from gpulabs.plots.memory_lab import (
    chain_chart,
    kept_chart,
    peak_curve,
    pool_strip,
    scale_trace,
    search_trace,
    state_bars,
)
from gpulabs.plots.photographs import filtered_photographs
from gpulabs.plots.picture import Picture
from gpulabs.plots.recipes import accuracy_race, feed_timeline, gradient_histogram, rate_curves, training_curves
from gpulabs.plots.roof import roofline
from gpulabs.plots.shared import bank_map, halo_map
from gpulabs.plots.threads import block_map, thread_map
from gpulabs.plots.throughput import throughput_curve
from gpulabs.plots.windows import window_map

__all__ = [
    "Picture",
    "access_map",
    "accuracy_race",
    "bank_map",
    "block_map",
    "busy_lanes",
    "chain_chart",
    "confused_pairs",
    "confusion_map",
    "feed_timeline",
    "filtered_photographs",
    "gradient_histogram",
    "halo_map",
    "image_rows",
    "kept_chart",
    "ladder_bars",
    "launch_timeline",
    "learning_curves",
    "memory_bars",
    "occupancy_bars",
    "peak_curve",
    "pool_strip",
    "rate_curves",
    "register_map",
    "roofline",
    "scale_trace",
    "search_trace",
    "state_bars",
    "thread_map",
    "throughput_curve",
    "throughput_knee",
    "trace_plot",
    "training_curves",
    "window_map",
]
