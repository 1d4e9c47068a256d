"""Some hundred cases in each run of the tests; ``python -m tests.fuzz`` does as many as wanted."""

import shutil
import sys
import tempfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="memory is limited by Linux")

CASES = 320
GROUPS = 8
"""Cases run in groups, so that a failure tells its kind and the rest still runs."""


def try_case(seed, sound):
    """Run a case; returns its outcome and what is wrong with it."""
    from tests.fuzz.cases import act
    from tests.fuzz.sandbox import leftovers, run_alone

    folder = Path(tempfile.mkdtemp(prefix="nso-fuzz-"))
    try:
        outcome = run_alone(lambda: act(seed, sound, folder))
        left = leftovers(folder)
        return outcome, outcome.complaint or (f"it left {left}" if left else "")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    from tests.fuzz.cases import prepare

    folder = tmp_path_factory.mktemp("sound")
    prepare(folder)
    return folder


@pytest.mark.parametrize("group", range(GROUPS))
def test_nonsense_is_answered_with_a_result_or_one_sentence(sound, group):
    failures = []
    for seed in range(group, CASES, GROUPS):
        outcome, complaint = try_case(seed, sound)
        if complaint:
            failures.append(f"seed {seed}: {complaint}\n{outcome.said[-1500:]}")
    assert not failures, "\n".join(failures)
