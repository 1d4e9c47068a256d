"""Many cases by hand: ``python -m tests.fuzz [CASES] [FIRST_SEED] [KIND]``."""

import sys
import tempfile
from collections import Counter
from pathlib import Path

from tests.fuzz.cases import KINDS, prepare
from tests.fuzz.test_fuzz import try_case

count = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
first = int(sys.argv[2]) if len(sys.argv) > 2 else 0
kinds = sys.argv[3:] or KINDS
codes: Counter[tuple[str, int]] = Counter()
failed = 0
with tempfile.TemporaryDirectory() as place:
    prepare(Path(place))
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
