#!/usr/bin/env bash
# The lowest versions that pyproject.toml allows of everything it names, and all tests with them:
# bounds are what was tested.
#
#   scripts/test_lowest.sh [PYTEST ARGUMENTS]
#
# PYTHON=... chooses the interpreter (the lowest one allowed shows most), TEST_ENV=... where the
# environment lives.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. scripts/environment.sh

env=${TEST_ENV:-.venv-lowest}

make_environment "$env"
say "Installing the lowest versions into $env"
"$env/bin/python" -m pip install --quiet --disable-pip-version-check uv </dev/null
"$env/bin/uv" pip install --quiet --python "$env/bin/python" --resolution lowest-direct \
    --reinstall-package napari-sam-onnx ".[test]" </dev/null
"$env/bin/uv" pip list --quiet --python "$env/bin/python" </dev/null

export LIBGL_ALWAYS_SOFTWARE=1 QT_QPA_PLATFORM=xcb
unset WAYLAND_DISPLAY
exec "$env/bin/python" -m pytest "$@" </dev/null
