# shellcheck shell=bash
# variants: root user
# timeout: 120
#
# The scope comes with the first job and goes with the last; between them every job has a leaf of
# its own, however many are launched at a time, and takes no other job with it when it is killed.

# shellcheck source=tests/lab/lib.sh
. "$LAB_TESTS/lib.sh"
trap kill_jobs EXIT

no_scope || fail "there is a scope already: $(scopes)"
ffrtmp run -q --job-id first -d -- sleep 100
scope=$(scopes)
[ -d "$scope/first" ] || fail "no leaf below the scope '$scope'"
if [ "$LAB_VARIANT" = user ]; then manager=(systemctl --user); else manager=(systemctl); fi
assert_eq "ActiveState=active Delegate=yes Slice=ffrtmp.slice" \
    "$("${manager[@]}" show -p Delegate -p Slice -p ActiveState ffrtmp-jobs.scope | sort | xargs)"

# A job that is killed for memory ends alone.
code=0
ffrtmp run -q --memory-max 20M -- tail /dev/zero || code=$?
assert_eq 137 $code
assert_eq running "$(state_of first)" "a neighbour of the job that was killed for memory"
assert_eq active "$("${manager[@]}" is-active ffrtmp-jobs.scope)"

# Thirty in a row, three at a time: each tells where it was born.
for round in {1..10}; do
    for one in 1 2 3; do
        ffrtmp run -q --pids-max 9 -- cat /proc/self/cgroup >"born-$round-$one" &
    done
    wait
done
assert_eq 30 "$(cat born-* | sort -u | grep -c "^0::${scope#/sys/fs/cgroup}/cat-")" "leaves of their own"
assert_eq first "$(find "$scope" -mindepth 1 -maxdepth 1 -type d -name '[!_]*' -printf '%f\n')" "leaves left"

ffrtmp stop first
wait_for 10 no_scope
wait_for 10 test "$("${manager[@]}" is-active ffrtmp-jobs.scope || true)" = inactive
