#!/usr/bin/env bash
# The runs of `benchmarks.sam_speed`, one after the other.
#
#     scripts/sam_speed.sh FOLDER [RESULTS [PART …]]
#
# FOLDER holds (or gets) the exports mobile-sam, sam-b and sam2-samexporter; PYTHON, "python" where
# it is not set, has torch, segment-anything, sam2, samexporter and this package. Tables go into
# docs/speed.md, the drawing beside it.
#
# Parts, and minutes on 2 idle cores: single (1), grids (2), planes (3), seeds (1), sam2 (1),
# sam-b (2), official (4 to 5, the official generator's grid). All of them where none is named; what
# RESULTS holds of the others stays in the tables.
set -euo pipefail
folder=$1
results=${2:-results/speed.json}
parts=("${@:3}")
[ ${#parts[@]} -gt 0 ] || parts=(single grids planes seeds sam2 sam-b official)
python=${PYTHON:-python}
cd "$(dirname "$0")/.."

for family in mobile-sam sam-b sam2-samexporter; do
    [ -f "$folder/$family/decoder.onnx" ] ||
        "$python" -m benchmarks.exporters.make "$family" --cache "$folder"
done

speed() {
    local model=$1
    shift
    "$python" -W ignore -m benchmarks.sam_speed "$folder/$model" --save "$results" "$@" |
        { grep ' | ' || true; } | { grep -v '^|' || true; }
}

everyone="official plain ours pebble"
for part in "${parts[@]}"; do
    echo "$part, $(date +%T)"
    case $part in
    single) speed mobile-sam --contestants $everyone --tasks encode click box ;;
    grids) speed mobile-sam --contestants plain ours pebble --tasks few grid ;;
    planes) speed mobile-sam --contestants plain ours pebble --tasks planes ;;
    seeds) speed mobile-sam --contestants $everyone --tasks seeds ;;
    sam2) speed sam2-samexporter --contestants plain ours --tasks encode click few grid --side 16 ;;
    sam-b) speed sam-b --contestants plain ours --tasks encode click few --side 16 ;;
    official) speed mobile-sam --contestants official --tasks grid ;;
    *) echo "There is no part $part." && exit 1 ;;
    esac
done

for model in sam-b sam2-samexporter mobile-sam; do
    "$python" -W ignore -m benchmarks.sam_speed "$folder/$model" --save "$results" --report \
        --page docs/speed.md --plot "docs/images/speed.svg"
done
date +%T
