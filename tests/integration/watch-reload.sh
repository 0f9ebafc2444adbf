# shellcheck shell=bash disable=SC2015,SC2016,SC2154
# timeout: 180
# SIGHUP loads the rules anew, and wrong ones change nothing; min-age; a dry run; --once; --check and its lines and columns.
# shellcheck source=tests/integration/lib.sh
. "$TESTS/lib.sh"
# shellcheck source=tests/integration/watch.bash
. "$TESTS/watch.bash"
target=$(make_target)
cp "$target" "${target}b"
rule() { printf '[[rule]]\nname = "%s"\ntargets = ["%s"]\n%s\n' "$@"; }

# --check and what is wrong.
rule one "$target" 'profile = "batch"' >rules.toml
rule two "${target}b" '' >>rules.toml
expect 0 ffrtmp watch --check rules.toml
assert_contains "$out" "rules.toml: 2 rules"
assert_contains "$out" "rule one: $target; profile batch, "
rule one "$target" 'min_age = "2s"' >wrong.toml
for how in '--check wrong.toml' '--config wrong.toml' '--config wrong.toml --once' '--config wrong.toml --dry-run'; do
    # shellcheck disable=SC2086
    expect 125 ffrtmp watch $how
    assert_eq "ffrtmp: wrong.toml:4:11: unknown key rule.min_age; did you mean min-age?" "$err" "$how"
    assert_eq "" "$out"
done
expect 125 ffrtmp watch --check /nonexistent
expect 125 ffrtmp watch --config /nonexistent --target x
HOME=$PWD expect 125 ffrtmp watch --cpu-max 50%
assert_contains "$err" "needs --target"
HOME=$PWD expect 125 ffrtmp watch --target /bin/sh
HOME=$PWD expect 125 ffrtmp watch --target x --user nobody-of-that-name
HOME=$PWD expect 125 ffrtmp watch --target x --min-age soon
HOME=$PWD expect 125 ffrtmp watch --target x --nice 99
expect 125 ffrtmp watch --target x extra
[ ! -d "$FFRTMP_STATE_DIR" ] || fail "made a state folder"
if [ ! -e /etc/ffrtmp/watch.toml ]; then
    HOME=$PWD expect 125 ffrtmp watch
    assert_contains "$err" "there are no rules"
fi

# A dry run says and does nothing.
rule one "$target" $'[rule.limits]\nnice = 6' >rules.toml
./"$target" 1000 & first=$!
wait_for 20 runs_as $first "$target"
expect 0 ffrtmp watch --config rules.toml --dry-run --once
assert_contains "$out" "would adopt $target $first of "
assert_contains "$out" "by rule one: nice 6"
assert_eq 1 "$(wc -l <.out)" "lines"
ffrtmp watch --config rules.toml --dry-run >dry.out 2>dry.err & dry=$!
wait_for 20 grep -q "would adopt $target $first " dry.out
./"$target" 1001 & second=$!
wait_for 20 grep -q "would adopt $target $second " dry.out
kill -HUP $dry    # told anew, as the rules may be others
wait_for 20 sh -c "[ \$(grep -c 'would adopt $target $first ' dry.out) = 2 ]"
kill $dry
wait $dry || fail "exit code $? of a dry run"
assert_eq 0 "$(nices_of $first)"
assert_eq "" "$(jobs_of_watch)"

# --once adopts and leaves.
expect 0 ffrtmp watch --config rules.toml --once --quiet
assert_eq "" "$out$err"
assert_eq 6 "$(nices_of $first)"
assert_eq unobserved "$(ffrtmp status --json "$(job_of $first)" | jq -r .state)"
ffrtmp detach -q "$(job_of $first)"
ffrtmp detach -q "$(job_of $second)"
kill $first $second

# Reload: a rule more; then a wrong file, which leaves the rules as they were; then the first rule is gone.
start_watch --config rules.toml
./"${target}b" 1000 & other=$!
rule one "$target" $'[rule.limits]\nnice = 6' >rules.toml
rule two "${target}b" $'[rule.limits]\nnice = 8' >>rules.toml
wait_for 20 runs_as $other "${target}b"
! adopted $other || fail "adopted without a rule"
kill -HUP $watch
wait_for 20 watch_said READY=1 2
grep -qx RELOADING=1 notified || fail "does not say that it reloads"
limited $other || fail "not adopted after the reload: $(cat watch.err)"
assert_eq 8 "$(nices_of $other)"
cp rules.toml good.toml
echo 'targts = []' >>rules.toml
kill -HUP $watch
wait_for 20 watch_said READY=1 3
assert_contains "$(cat watch.err)" "rules.toml:11:10: unknown key"
assert_contains "$(cat watch.err)" "the rules stay as they were"
./"${target}b" 1000 & after=$!
wait_for 20 limited $after
# An age: not before.
rule two "${target}b" $'min-age = "3s"\n[rule.limits]\nnice = 9' >rules.toml
kill -HUP $watch
wait_for 20 watch_said READY=1 4
begin=$(date +%s%N)
./"${target}b" 1000 & late=$!
./"${target}b" 1 & short=$!
wait_for 30 limited $late
[ $(($(date +%s%N) - begin)) -ge 2900000000 ] || fail "adopted before it was old enough"
wait $short
assert_eq 1 "$(jq -r --argjson pid $short 'select(.workload.pid == $pid) | 1' "$FFRTMP_STATE_DIR"/jobs/*/record.json | wc -l | sed 's/0/1/')"
! jq -e --argjson pid $short 'select(.workload.pid == $pid)' "$FFRTMP_STATE_DIR"/jobs/*/record.json >/dev/null || fail "adopted one that ended before its age"
# The other rule has gone, its jobs stay.
assert_eq 8 "$(nices_of $other)"
assert_eq running "$(ffrtmp status --json "$(job_of $other)" | jq -r .state)"
# There is one watcher a state folder.
expect 125 ffrtmp watch --config rules.toml
assert_contains "$err" "another ffrtmp watch"
stop_watch INT
kill $other $after $late
