# shellcheck shell=bash
# variants: root user hybrid
# timeout: 300
#
# why names what holds a job back by the counters of its cgroup, and who ended it.

# shellcheck source=tests/lab/lib.sh
. "$LAB_TESTS/lib.sh"
trap kill_jobs EXIT

# why JOB CAUSE: asks with longer and longer looks until that cause comes first (emulation is slow).
why() {
    local window
    for window in 2s 5s 12s; do
        ffrtmp why --json --window $window "$1" >why.json || fail "why $1: $?"
        [ "$(jq -r '.causes[0].cause' why.json)" != "$2" ] || return 0
    done
    fail "why $1: not $2: $(cat why.json)"
}

ffrtmp run -q -d --job-id quota --cpu-max 10% -- sh -c 'while :; do :; done'
why quota 'cpu quota'
json why.json '.causes[0] | .certainty == "certain" and .limit == "cpu.max" and (.command | startswith("ffrtmp set quota --cpu-max "))' >/dev/null
sh -c "$(jq -r '.causes[0].command' why.json)" 2>set.err || fail "$(cat set.err)"

ffrtmp run -q -d --job-id fine --cpu-max 100% -- sleep 1000
ffrtmp why --json --window 500ms fine >why.json
json why.json '.causes == []' >/dev/null

if [ "$LAB_VARIANT" != hybrid ]; then
    # Page cache above memory.high: written, dropped, written again, with every charge made to wait.
    ffrtmp run -q -d --job-id high --memory-high 8M -- sh -c "while :; do dd if=/dev/zero of=$PWD/big bs=1M count=40 status=none; cat $PWD/big >/dev/null; done"
    for window in 3s 8s 20s; do
        ffrtmp why --json --window $window high >why.json
        [ "$(jq -r '.figures.memory_limit_hits' why.json)" = 0 ] || break
    done
    json why.json '.figures | .memory_high == 8388608 and .memory_limit_hits > 0' >/dev/null
    ffrtmp stop --grace 1s high || true
fi
if [ "$LAB_VARIANT" = root ]; then
    ffrtmp run -q -d --job-id disk --io-max "$PWD wbps=200K" -- dd if=/dev/zero of="$PWD/slow" bs=64k count=10000 oflag=direct status=none
    why disk 'disk limit'
    json why.json '.causes[0].value | contains("wbps=")' >/dev/null
    # A quota above the job is named as what it is.
    make_parent
    parent=$(systemctl show -P ControlGroup lab-parent)
    systemctl set-property --runtime lab-parent CPUQuota=10%
    ffrtmp run -q -d --job-id above --cgroup-parent "$parent" --memory-max 100M -- sh -c 'while :; do :; done'
    why above 'cpu quota'
    jq -e --arg p "$parent" '.causes[0] | (.text | contains($p)) and .command == null' why.json >/dev/null || fail "above: $(cat why.json)"
fi

code=0
ffrtmp run -q --job-id oom --memory-max 24M --swap-max 0 -- tail /dev/zero || code=$?
assert_eq 137 $code
ffrtmp why --json oom >why.json
json why.json '.causes[0].cause == "memory limit" and .causes[0].certainty == "certain" and (.causes[0].option | startswith("--memory-max "))' >/dev/null

# systemd-oomd leaves its mark on the cgroup before it kills; it is read at the end of the job.
if [ "$LAB_VARIANT" != hybrid ]; then
    ffrtmp run -q -d --job-id oomd --memory-max 100M -- sleep 1000
    python3 -c 'import os, sys; os.setxattr(sys.argv[1], "user.oomd_ooms", b"1")' "$(job_dir oomd)"
    kill -KILL "$(job_pid oomd)"
    code=0
    ffrtmp wait oomd || code=$?
    assert_eq 137 $code
    ffrtmp why --json oomd >why.json
    json why.json '.causes[0].cause == "systemd-oomd" and .figures.outcome == "oom_killed"' >/dev/null
fi
