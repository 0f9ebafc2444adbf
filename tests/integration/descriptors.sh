# shellcheck shell=bash disable=SC2015,SC2016,SC2154
# The workload gets 0, 1 and 2, what the caller left open for it, and nothing of ours.
# shellcheck source=tests/integration/lib.sh
. "$TESTS/lib.sh"
list='for f in /proc/self/fd/*; do echo "${f##*/} $(readlink $f)"; done'
for mode in '' --exec; do
    for extra in '' '--memory-max 64M --cpu-max 100% --pids-max 50' '--placement none' "--log $TMP/log"; do
        # shellcheck disable=SC2086
        expect 0 ffrtmp run -q $mode $extra -- bash -c "$list"
        [ -z "$extra" ] || [ "${extra#--log}" = "$extra" ] || out=$(cat log)
        assert_eq "" "$(grep -E 'cgroup|state|pidfd|inotify|timerfd|signalfd|eventfd' <<<"$out" || true)" "with $mode $extra"
        bash -c "$list" | awk '{ print $1 }' | sort >plain
        assert_eq "" "$(awk '{ print $1 }' <<<"$out" | sort | comm -13 plain -)" "more descriptors with $mode $extra: $out"
        rm -f log
    done
done
# shellcheck disable=SC2016
ffrtmp run -q -d --job-id "$TAG" -- bash -c 'for f in /proc/$$/fd/*; do echo "${f##*/} $(readlink $f)"; done' >/dev/null
ffrtmp wait "$TAG"
assert_contains "$(ffrtmp logs "$TAG")" "0 /dev/null"
assert_eq "" "$(ffrtmp logs "$TAG" | grep -E 'cgroup|record|jobs$|state$|pidfd|inotify|signalfd|timerfd' || true)" "detached"
exec 7<"$0"
assert_contains "$(ffrtmp run -q -- readlink /proc/self/fd/7)" "$(readlink /proc/self/fd/7)"
# The recorder of a detached job holds nobody's pipe: a caller that reads to the end gets there.
begin=$SECONDS
timeout 20 sh -c "ffrtmp run -d --job-id $TAG-p -- sleep 8 2>&1" | cat >/dev/null
[ $((SECONDS - begin)) -lt 6 ] || fail "the recorder kept the caller's pipe open"
ffrtmp stop "$TAG-p"
# Nor any other descriptor that its caller happened to have open.
: >held
ffrtmp run -q -d --job-id "$TAG-h" -- sleep 8 9>held >/dev/null
recorder=$(ffrtmp status --json "$TAG-h" | jq .observer.pid)
assert_eq "" "$(find "/proc/$recorder/fd" -lname "$TMP/held")" "held by the recorder"
ffrtmp stop "$TAG-h"
