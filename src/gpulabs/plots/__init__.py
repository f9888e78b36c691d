"""The pictures of the labs and of the report; each function returns a `Picture`."""

from gpulabs.plots.access import access_map
from gpulabs.plots.photographs import filtered_photographs
from gpulabs.plots.picture import Picture
from gpulabs.plots.roof import roofline
from gpulabs.plots.threads import block_map, thread_map
from gpulabs.plots.windows import window_map

__all__ = ["Picture", "access_map", "block_map", "filtered_photographs", "roofline", "thread_map", "window_map"]
