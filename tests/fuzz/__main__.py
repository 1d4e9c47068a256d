"""Many cases by hand: ``python -m tests.fuzz [CASES] [FIRST_SEED] [KIND]``."""

import shutil
import sys
import tempfile
from collections import Counter
from pathlib import Path

from tests.fuzz.cases import KINDS, act, prepare, warm_up
from tests.fuzz.sandbox import Outcome, leftovers, run_alone


def try_case(seed: int, sound: Path) -> tuple[Outcome, str]:
    """Run a case; returns its outcome and what is wrong with it."""
    folder = Path(tempfile.mkdtemp(prefix="nso-fuzz-"))
    try:
        outcome = run_alone(lambda: act(seed, sound, folder))
        left = leftovers(folder)
        return outcome, outcome.complaint or (f"it left {left}" if left else "")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


count = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
first = int(sys.argv[2]) if len(sys.argv) > 2 else 0
kinds = sys.argv[3:] or KINDS
codes: Counter[tuple[str, int]] = Counter()
failed = 0
with tempfile.TemporaryDirectory() as place:
    prepare(Path(place))
    warm_up()
    for seed in range(first, first + count):
        kind = KINDS[seed % len(KINDS)]
        if kind not in kinds:
            continue
        outcome, complaint = try_case(seed, Path(place))
        codes[kind, outcome.code] += 1
        if complaint:
            failed += 1
            print(f"--- seed {seed} ({kind}): {complaint}\n{outcome.said[-1500:]}", flush=True)
for (kind, code), number in sorted(codes.items()):
    print(f"{kind:8} exit {code:3}: {number}")
print(f"{failed} of {sum(codes.values())} cases failed")
sys.exit(bool(failed))
