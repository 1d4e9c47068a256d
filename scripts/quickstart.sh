#!/usr/bin/env bash
# From nothing to a segmented picture: makes an environment, installs the plugin with napari,
# and segments the sample nuclei into a label image and an overlay picture. Nothing but Python
# packages is downloaded; the model is part of the package.
#
#   scripts/quickstart.sh [FOLDER FOR THE RESULTS]
#
# PYTHON=... chooses the interpreter, QUICKSTART_ENV=... where the environment lives.
set -euo pipefail
results=${1:-results}
mkdir -p "$results"
results=$(cd "$results" && pwd)
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. scripts/environment.sh

env=${QUICKSTART_ENV:-.venv}
make_environment "$env"
say "Installing napari-sam-onnx into $env"
"$env/bin/python" -m pip install --quiet --disable-pip-version-check ".[all]" </dev/null

"$env/bin/napari-sam-onnx" segment sample_data/nuclei.tif --force \
    -o "$results/nuclei_labels.tif" --preview "$results/nuclei_overlay.png"
"$env/bin/napari-sam-onnx" evaluate "$results/nuclei_labels.tif" sample_data/nuclei_truth.tif
say "Labels:  $results/nuclei_labels.tif"
say "Overlay: $results/nuclei_overlay.png"
say "napari:  $env/bin/napari, then Plugins > Segment Anything (napari-sam-onnx)"
