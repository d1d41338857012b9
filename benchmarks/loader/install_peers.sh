#!/bin/sh
# Install ClimateLearn, the loader that climbench's is measured against, in an environment of its
# own. Its own requirements pin old packages and pull CUDA: they are left out, torch comes first.
#
#     benchmarks/loader/install_peers.sh [folder, by default as run.py --folder]
set -eu
folder=${1:-${TMPDIR:-/tmp}/climbench-loader}
python=$folder/peers/bin/python
"${PYTHON:-python3}" -m venv "$folder/peers"
install() { "$python" -m pip install --quiet --disable-pip-version-check "$@"; }
install torch==2.13.0
install --no-deps climate-learn torchvision==0.28.0
echo torch==2.13.0 > "$folder/constraints.txt"
install --constraint "$folder/constraints.txt" pytorch-lightning timm xarray netcdf4 matplotlib \
    scikit-learn scipy cdsapi dask tqdm requests
echo "peers installed: $python"
