# Sourced by the scripts beside it: find a Python, install system packages, make an environment.
# Nothing here reads standard input, so that it also runs where nobody can answer.

say() { printf '%s\n' "$*" >&2; }

# Print the first Python that is new enough; $PYTHON is asked first.
find_python() {
    local candidate
    for candidate in ${PYTHON:+"$PYTHON"} python3.11 python3.12 python3.13 python3 python; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            printf '%s\n' "$candidate"
            return
        fi
    done
    say "No Python 3.11 or newer was found; install one, or name it: PYTHON=/path/to/python3.11."
    return 1
}

# Install Debian packages that are missing: with apt-get as root, else by naming them.
install_system_packages() {
    local package installed missing=()
    if ! command -v dpkg-query >/dev/null; then
        if [ "$(uname -s)" = Linux ]; then
            say "This is no Debian; if something is missing, these are its Debian names: $*"
        fi
        return 0
    fi
    # What a package provides counts too: newer Debians have renamed some of the libraries.
    installed=$(dpkg-query -W -f='${db:Status-Status}, ${Package}, ${Provides},\n')
    for package in "$@"; do
        grep -q "^installed,.* $package[ ,]" <<<"$installed" || missing+=("$package")
    done
    [ ${#missing[@]} -eq 0 ] && return 0
    if [ "$(id -u)" -ne 0 ]; then
        say "System packages are missing; run: sudo apt-get install ${missing[*]}"
        return 1
    fi
    say "Installing system packages: ${missing[*]}"
    DEBIAN_FRONTEND=noninteractive apt-get update -qq </dev/null >&2
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
        "${missing[@]}" </dev/null >&2
}

# make_environment FOLDER: create a virtual environment, unless a working one is there.
make_environment() {
    local folder=$1 python
    "$folder/bin/python" -c 'import pip' 2>/dev/null && return 0
    python=$(find_python) || return 1
    if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        install_system_packages \
            "$("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')"
    fi
    "$python" -m venv --clear "$folder"
}
