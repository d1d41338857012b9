#!/bin/sh
# Install the packages that climbench is measured against, in an environment of their own.
# Package registries alone are used. WeatherBench 2 and WeatherBench-X are on none: with_xarray.py
# has the equivalent plain xarray code.
#
#     benchmarks/evaluation/install_peers.sh [folder, by default as run.py --folder]
set -eu
folder=${1:-${TMPDIR:-/tmp}/climbench-benchmarks}
"${PYTHON:-python3}" -m venv "$folder/peers"
"$folder/peers/bin/python" -m pip install --quiet --disable-pip-version-check \
    bottleneck==1.6.0 \
    dask==2026.8.0 \
    numba==0.68.1 \
    numcodecs==0.16.6 \
    numpy==2.4.6 \
    pandas==3.1.1 \
    properscoring==0.1 \
    scipy==1.17.1 \
    scores==2.7.0 \
    xarray==2026.9.0 \
    xskillscore==0.0.29 \
    zarr==3.1.6
echo "peers installed: $folder/peers/bin/python"
