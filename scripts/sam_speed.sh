#!/usr/bin/env bash
# All runs of `benchmarks.sam_speed`, one after the other: about 18 minutes on 2 idle cores.
#
#     scripts/sam_speed.sh FOLDER [RESULTS]
#
# FOLDER holds (or gets) the exports mobile-sam, sam-b and sam2-samexporter; PYTHON, "python" where
# it is not set, has torch, segment-anything, sam2, samexporter and this package. Tables go into
# docs/speed.md, the drawing beside it.
set -euo pipefail
folder=$1
results=${2:-results/speed.json}
python=${PYTHON:-python}
cd "$(dirname "$0")/.."

for family in mobile-sam sam-b sam2-samexporter; do
    [ -f "$folder/$family/decoder.onnx" ] ||
        "$python" -m benchmarks.exporters.make "$family" --cache "$folder"
done

speed() {
    local model=$1
    shift
    "$python" -m benchmarks.sam_speed "$folder/$model" --save "$results" "$@" | grep ' | ' | grep -v '^|' || true
}

everyone="official plain ours pebble"
speed mobile-sam --contestants $everyone --tasks encode click box
speed mobile-sam --contestants plain ours pebble --tasks few grid planes
speed mobile-sam --contestants $everyone --tasks seeds
speed sam2-samexporter --contestants plain ours --tasks encode click few grid --side 16
speed sam-b --contestants plain ours --tasks encode click few --side 16
speed mobile-sam --contestants official --tasks grid # the longest: some 4 minutes

for model in sam-b sam2-samexporter mobile-sam; do
    "$python" -m benchmarks.sam_speed "$folder/$model" --save "$results" --report \
        --page docs/speed.md --plot "docs/images/speed.svg"
done
