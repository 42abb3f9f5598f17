#!/usr/bin/env bash
# What is to be known of a machine with a GPU, by one command of at most eight minutes.
#
#   tests/benchmarks/cuda.sh list                  what travels, one "name==version" a line: all but torch and what comes with it
#   tests/benchmarks/cuda.sh pack WHEELS [OPTION]  where there is a network: its wheels, and that of xaikit, into the folder WHEELS;
#                                                  options are pip's, as --python-version 3.12 --platform manylinux2014_x86_64
#   tests/benchmarks/cuda.sh run WHEELS OUT        where there are torch and torchvision and no network: the checks of tests/device,
#                                                  the table, the sweep and peaks of memory; figures in OUT/benchmarks.gpu.json
#
# For a smaller try: BENCHMARK_DEVICE (cuda), BENCHMARK_CHECKS (the device of the checks), BENCHMARK_BATCH (64), BENCHMARK_SIZE (224),
# BENCHMARK_ROUNDS (3), BENCHMARK_PHOTOGRAPHS (64), BENCHMARK_PARTS (rows of the table, by parts of their titles, divided by |).
set -euo pipefail

python=${PYTHON:-python3}
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
seconds=480
needed=("$root[demo]" "pytest>=8" "torchcam>=0.5,<0.6" "grad-cam>=1.5.7,<1.6")
parts="Grad-CAM, |4 methods|10 top|Eigen-CAM, |Ablation-CAM|Score-CAM|Peak memory|8 methods"

resolved() { # what pip would install into an empty environment, without torch and what comes with it
    local report
    report=$(mktemp)
    "$python" -m pip install --quiet --dry-run --ignore-installed --report "$report" "$@" "${needed[@]}" >&2
    "$python" - "$report" <<'PYTHON'
import json, re, sys

with open(sys.argv[1], encoding="utf-8") as file:
    items = [item["metadata"] for item in json.load(file)["install"]]
left_out = re.compile(r"(torch|torchvision|triton|xaikit|nvidia-.*|cuda-.*)$")
print("\n".join(sorted(f"{one['name']}=={one['version']}" for one in items if not left_out.match(one["name"].lower()))))
PYTHON
    rm -f "$report"
}

pack() {
    local wheels=$1 names
    shift
    mkdir -p "$wheels"
    names=$(mktemp)
    resolved "${@:+--only-binary=:all:}" "$@" >"$names"
    "$python" -m pip wheel --quiet --no-deps --wheel-dir "$wheels" "$root"
    "$python" -m pip download --quiet --no-deps --dest "$wheels" "${@:+--only-binary=:all:}" "$@" --requirement "$names"
    rm -f "$names"
}

left() { # seconds, at least one, at most so many
    local rest=$((seconds - SECONDS))
    echo $((rest < 1 ? 1 : rest < $1 ? rest : $1))
}

step() { # NAME SECONDS COMMAND...: what fails or takes too long is noted, and the others go on
    local name=$1 most=$2 status=0
    shift 2
    echo "$name" >&2
    timeout "$(left "$most")" "$@" >"$out/$name.out" 2>"$out/$name.err" || status=$?
    echo "$status" >"$out/$name.status"
}

run() {
    local wheels=$1 part number=0
    out=$2
    mkdir -p "$out"
    out=$(cd "$out" && pwd)
    # all that travelled, before what the machine has
    "$python" -m pip install --quiet --no-index --no-deps --upgrade --target "$out/site" "$wheels"/*.whl
    cd "$root"
    export PYTHONPATH=$out/site${PYTHONPATH:+:$PYTHONPATH}
    export BENCHMARK_DEVICE=${BENCHMARK_DEVICE:-cuda} BENCHMARK_BATCH=${BENCHMARK_BATCH:-64}
    export XAIKIT_DEVICE=${BENCHMARK_CHECKS:-$BENCHMARK_DEVICE}
    step checks 150 "$python" -m pytest -q -p no:cacheprovider -o "python_files=checks_*.py" "--junitxml=$out/checks.xml" tests/device
    step sweep 120 "$python" tests/benchmarks/sweeping.py trials
    while read -r -d "|" part; do
        number=$((number + 1))
        step "table-$number" 120 "$python" tests/benchmarks/run.py --device "$BENCHMARK_DEVICE" --allocator default \
            --rounds "${BENCHMARK_ROUNDS:-3}" --rows "$part" --json "$out/table-$number.json"
    done <<<"${BENCHMARK_PARTS:-$parts}|"
    "$python" tests/benchmarks/gpu.py "$out"
    rm -rf "$out/site"
    if grep --quiet --invert-match --line-regexp 0 "$out"/*.status; then
        echo "not all steps went through: $(grep --files-with-matches --invert-match --line-regexp 0 "$out"/*.status | tr '\n' ' ')" >&2
        return 1
    fi
}

case "${1:-} $#" in
    "list "*) resolved "${@:2}" ;;
    "pack 0" | "pack 1") sed -n '2,/^set/{/^#/p}' "${BASH_SOURCE[0]}" >&2; exit 2 ;;
    "pack "*) pack "${@:2}" ;;
    "run 3") run "$2" "$3" ;;
    *) sed -n '2,/^set/{/^#/p}' "${BASH_SOURCE[0]}" >&2; exit 2 ;;
esac
