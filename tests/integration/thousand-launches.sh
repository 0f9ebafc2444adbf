# shellcheck shell=bash disable=SC2015,SC2016,SC2154
# timeout: 300
# alone
# 1,000 launches, a part of them in parallel: no cgroup, no job folder, no zombie, no descriptor is left.
# shellcheck source=tests/integration/lib.sh
. "$TESTS/lib.sh"
ln -s "$(type -P true)" "$TAG"    # job ids that are made up begin with the program's name
loop() { for _ in $(seq "$1"); do ffrtmp run -q "${@:2}" -- "./$TAG" || echo "$?" >>failed; done; }
loop 200
loop 200 --cpu-max 150% --memory-max 64M --pids-max 32
loop 150 --exec
for _ in 1 2 3 4 5; do loop 60 --cpu-max 80% & done
wait
loop 100 --placement none
launch_detached() { for i in $(seq 50); do ffrtmp run -q -d --job-id "$TAG-d$i" -- "./$TAG" >/dev/null || echo "$?" >>failed; done; }
launch_detached
for i in $(seq 50); do ffrtmp wait "$TAG-d$i" || echo "$?" >>failed; done
[ ! -e failed ] || fail "failed: $(sort failed | uniq -c)"
# The recorders have written their results and go away. An --exec job has nobody who could tidy up after it:
# whoever comes next does.
wait_for 10 test -z "$(pgrep -f -- "--job-id $TAG-d" || true)"
sweep
wait_for 10 no_leaves
assert_eq 0 "$(find state/jobs -mindepth 1 -maxdepth 1 ! -name "$TAG-d*" | wc -l)" "folders of jobs that were given no id"
zombies=$(ps -eo stat=,ppid=,comm= | awk -v me=$$ '$1 ~ /^Z/ && $2 == me')
assert_eq "" "$zombies" "zombies"
# Orphans are the first process's to reap, in its own time.
no_zombies() { test -z "$(ps -eo pid=,stat=,comm= | awk '$2 ~ /^Z/ && $3 ~ /^ffrtmp/')"; }
wait_for 30 no_zombies
