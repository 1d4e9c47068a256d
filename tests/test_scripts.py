"""The set-up scripts on machines of other kinds, with stand-ins for the system's commands."""

import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[1] / "scripts"

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the scripts are for bash")


@pytest.fixture
def machine(tmp_path):
    """A PATH with stand-ins and a few real tools; run lines of bash in it."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for tool in ("bash", "env", "grep", "uname"):
        (folder / tool).symlink_to(shutil.which(tool))
    log = tmp_path / "calls"
    log.touch()

    class Machine:
        def put(self, name, body="exit 0"):
            path = folder / name
            path.unlink(missing_ok=True)
            path.write_text(f'#!{folder / "bash"}\necho "{name} $*" >> {log}\n{body}\n')
            path.chmod(path.stat().st_mode | stat.S_IXUSR)

        def run(self, line, **variables):
            return subprocess.run(
                [folder / "bash", "-c", f"set -euo pipefail; . {SCRIPTS}/environment.sh; {line}"],
                env={"PATH": str(folder), **variables},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=60,
            )

        @property
        def calls(self):
            return log.read_text().splitlines()

    return Machine()


INSTALLED_A = 'echo "installed, a, ,"; echo "config-files, b, ,"; echo "installed, bb, ,"'


@pytest.mark.parametrize("script", ["test.sh", "quickstart.sh", "../.ci/run"])
def test_the_scripts_can_be_run(script):
    assert os.access(SCRIPTS / script, os.X_OK)
    assert subprocess.run(["bash", "-n", SCRIPTS / script], check=False).returncode == 0


def test_root_on_debian_installs_what_is_missing_without_asking(machine):
    machine.put("dpkg-query", INSTALLED_A)
    machine.put("id", "echo 0")
    machine.put("apt-get", 'echo "$DEBIAN_FRONTEND"')
    done = machine.run("install_system_packages a b c")
    assert done.returncode == 0, done.stderr
    install = [call for call in machine.calls if call.startswith("apt-get install")]
    assert install == ["apt-get install -y -qq --no-install-recommends b c"]
    assert "noninteractive" in done.stderr


def test_nothing_is_installed_where_nothing_is_missing(machine):
    machine.put("dpkg-query", 'echo "installed, a, ,"; echo "installed, bt64, b (= 1.2), c,"')
    machine.put("apt-get", "exit 1")
    assert machine.run("install_system_packages a b c").returncode == 0
    assert not [call for call in machine.calls if call.startswith("apt-get")]


def test_other_users_are_told_the_names(machine):
    machine.put("dpkg-query", INSTALLED_A)
    machine.put("id", "echo 1000")
    machine.put("apt-get")
    done = machine.run("install_system_packages a b c; echo went on")
    assert done.returncode != 0
    assert "sudo apt-get install b c" in done.stderr
    assert "went on" not in done.stdout
    assert not [call for call in machine.calls if call.startswith("apt-get")]


@pytest.mark.skipif(sys.platform != "linux", reason="names Debian's packages on Linux alone")
def test_another_linux_goes_on_with_the_names(machine):
    done = machine.run("install_system_packages a b; echo went on")
    assert done.returncode == 0
    assert "Debian names: a b" in done.stderr
    assert "went on" in done.stdout


def test_the_first_python_that_is_new_enough(machine):
    machine.put("python3.11", "exit 1")
    machine.put("python3", "exit 0")
    done = machine.run("find_python")
    assert (done.returncode, done.stdout) == (0, "python3\n")


def test_a_named_python_is_asked_first(machine):
    machine.put("python3.11")
    machine.put("mine")
    assert machine.run("find_python", PYTHON="mine").stdout == "mine\n"


def test_no_python_is_said(machine):
    done = machine.run("make_environment somewhere; echo went on")
    assert done.returncode != 0
    assert "No Python 3.11 or newer was found" in done.stderr
    assert "went on" not in done.stdout


def test_a_python_without_venv_gets_its_package(machine, tmp_path):
    body = 'case "$*" in *ensurepip*) exit 1;; *"%d"*) echo python3.11-venv;; esac'
    machine.put("python3.11", body)
    machine.put("dpkg-query", "echo")
    machine.put("id", "echo 0")
    machine.put("apt-get")
    done = machine.run(f"make_environment {tmp_path}/env")
    assert done.returncode == 0, done.stderr
    assert "apt-get install -y -qq --no-install-recommends python3.11-venv" in machine.calls
    assert machine.calls[-1] == f"python3.11 -m venv --clear {tmp_path}/env"


def test_a_working_environment_is_kept(machine, tmp_path):
    python = tmp_path / "env" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.symlink_to(sys.executable)
    machine.put("python3.11")
    assert machine.run(f"make_environment {tmp_path}/env").returncode == 0
    assert machine.calls == []
