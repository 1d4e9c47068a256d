#!/usr/bin/env bash
# Everything that must hold before a change is taken: makes an environment of its own, installs
# the package with what tests need, and runs the linters, the type checker, the layering check
# and all tests, those of the interface under Xvfb included.
#
#   scripts/test.sh [PYTEST ARGUMENTS]
#
# PYTHON=... chooses the interpreter, TEST_ENV=... where the environment lives.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. scripts/environment.sh

env=${TEST_ENV:-.venv-test}

if [ "$(uname -s)" = Linux ]; then
    # A virtual display, software OpenGL, and the libraries that Qt loads at run time.
    install_system_packages xvfb libegl1 libgl1 libgl1-mesa-dri libopengl0 libglib2.0-0 \
        libfontconfig1 libxkbcommon-x11-0 libdbus-1-3 libxcb-cursor0 libxcb-icccm4 \
        libxcb-image0 libxcb-keysyms1 libxcb-randr0 libxcb-render-util0 libxcb-shape0 \
        libxcb-xinerama0 libxcb-xkb1
fi
make_environment "$env"
say "Installing the package and its test tools into $env"
# The package itself is installed as users get it, not linked to the sources: a file that the
# wheel lacks fails a test.
"$env/bin/python" -m pip install --quiet --disable-pip-version-check ".[dev]" </dev/null

# OpenGL in software, and the X display rather than whatever the desktop offers.
export LIBGL_ALWAYS_SOFTWARE=1 QT_QPA_PLATFORM=xcb
unset WAYLAND_DISPLAY

say "ruff, mypy, import-linter"
"$env/bin/ruff" check .
"$env/bin/ruff" format --check .
"$env/bin/mypy"
"$env/bin/lint-imports"
say "pytest"
# In place of this script: who ends the script ends the tests, and none runs on alone.
exec "$env/bin/python" -m pytest "$@" </dev/null
