"""Some hundred cases in each run of the tests; ``python -m tests.fuzz`` does as many as wanted."""

import subprocess
import sys
from pathlib import Path

import pytest

CASES = 40
REPOSITORY = Path(__file__).parents[2]


@pytest.mark.skipif(sys.platform != "linux", reason="memory is limited by Linux")
@pytest.mark.parametrize("group", range(8))
def test_nonsense_is_answered_with_a_result_or_one_sentence(group):
    # a process of its own: cases are forks, and tests before may have left threads here
    done = subprocess.run(
        [sys.executable, "-m", "tests.fuzz", str(CASES), str(group * CASES)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=110,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"0 of {CASES} cases failed" in done.stdout
