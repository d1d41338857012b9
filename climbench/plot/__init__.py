"""Plots."""

# pyproj must be loaded before eccodes, which xarray loads to guess the format of a file: each
# brings its own PROJ, and in the other order the first projection corrupts memory.
import pyproj  # noqa: F401
