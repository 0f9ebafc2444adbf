# shellcheck shell=bash disable=SC2015,SC2016,SC2154
# timeout: 180
# Everything that is wrong with a command line: one line on stderr, its code, and nothing started or made.
# shellcheck source=tests/integration/lib.sh
. "$TESTS/lib.sh"
touch "$TMP/plain"
printf '#!/bin/sh\ntouch "%s/started"\n' "$TMP" >"$TMP/mark"
chmod +x "$TMP/mark"

# bad CODE PART ARGUMENT...: PART must be in the line.
bad() {
    local code=$1 part=$2
    shift 2
    expect "$code" ffrtmp "$@"
    assert_eq 1 "$(wc -l <"$TMP/.err")" "lines on stderr of: ffrtmp ${*@Q}: $err"
    assert_eq "" "$out" "stdout of: ffrtmp ${*@Q}"
    [[ $err == "ffrtmp: "* ]] || fail "does not say who speaks: $err"
    [ "${#err}" -le 300 ] || fail "${#err} characters: $err"
    assert_contains "${err,,}" "${part,,}" "ffrtmp ${*@Q}"
    [ ! -e "$TMP/started" ] || fail "started nevertheless: ffrtmp ${*@Q}"
    no_leaves || fail "left a cgroup: $(leaves)"
    [ -z "$(find "$FFRTMP_STATE_DIR/jobs" -mindepth 1 2>/dev/null)" ] || fail "left a job: ffrtmp ${*@Q}"
}
run=(run --job-id "$TAG")

bad 125 'command' run
bad 125 'command' "${run[@]}"
bad 125 'command' "${run[@]}" --
bad 125 '--' "${run[@]}" ./mark
bad 127 'no-such-command' "${run[@]}" -- no-such-command
bad 127 'no-such-file' "${run[@]}" -- ./no-such-file
bad 127 '' "${run[@]}" -- ''
bad 126 'plain' "${run[@]}" -- ./plain
bad 126 'tmp' "${run[@]}" -- "$TMP"

for value in nonsense '' 0 0% -5% -1 1e3 '150 %x' '1 2 3' 99999999999999999999 999999999999999999999999% nan inf '100000 0' '100000 9999999999' ' '; do
    bad 125 '--cpu-max' "${run[@]}" --cpu-max="$value" -- ./mark
done
for value in x 0 -1 1e30 99999999999999999999 ''; do bad 125 '--cpus' "${run[@]}" --cpus="$value" -- ./mark; done
for value in x 0 -1 99999999999999999999 ''; do bad 125 '--cpu-quota' "${run[@]}" --cpu-quota="$value" -- ./mark; done
for option in --cpu-weight --io-weight; do
    for value in x 0 -1 10001 1.5 99999999999999999999 ''; do bad 125 $option "${run[@]}" $option="$value" -- ./mark; done
done
for value in x '' 0-99999 5-3 -1 '0,,1' 99999999999999999999 0-; do bad 125 '--cpuset' "${run[@]}" --cpuset="$value" -- ./mark; done
for option in --memory-max --memory-high --swap-max --log-max; do
    for value in x '' -1 -1M 12Q 1.5.5G 99999999999999999999 99999999999T 16E; do bad 125 $option "${run[@]}" $option="$value" -- ./mark; done
done
for value in 0 0K 0G; do
    for option in --memory-max --memory-high; do bad 125 $option "${run[@]}" $option="$value" -- ./mark; done
done
for value in x 0 -1 '' 99999999999999999999; do bad 125 '--memory-limit' "${run[@]}" --memory-limit="$value" -- ./mark; done
for value in x 0 -1 '' 99999999999999999999 1.5; do bad 125 '--pids-max' "${run[@]}" --pids-max="$value" -- ./mark; done
for value in x 20 -21 ''; do bad 125 '--nice' "${run[@]}" --nice="$value" -- ./mark; done
for value in x '' idle:3 best-effort:8 realtime:-1; do bad 125 '--ionice' "${run[@]}" --ionice="$value" -- ./mark; done
for value in x '' 1001 -1001; do bad 125 '--oom-score-adj' "${run[@]}" --oom-score-adj="$value" -- ./mark; done
for value in x '' -1s 0 0s 99999999999999999999h; do bad 125 '--timeout' "${run[@]}" --timeout="$value" -- ./mark; done

bad 125 '/dev/no-such-disk' "${run[@]}" --io-max '/dev/no-such-disk wbps=1M' -- ./mark
bad 125 '/no/such/path' "${run[@]}" --io-max '/no/such/path wbps=1M' -- ./mark
bad 125 '250:250' "${run[@]}" --io-max '250:250 wbps=1M' -- ./mark
bad 125 '/dev/null' "${run[@]}" --io-max '/dev/null wbps=1M' -- ./mark
[ "$(stat -f -c %T /dev/shm)" != tmpfs ] || bad 125 'tmpfs' "${run[@]}" --io-max '/dev/shm wbps=1M' -- ./mark
bad 125 '/proc' "${run[@]}" --io-max '/proc wbps=1M' -- ./mark
for value in '' / '/ wbps' '/ wbps=' '/ wbps=x' '/ wbps=0' '/ wbps=-1' '/ wbps=99999999999999999999' '/ bogus=1' '/ wbps=1M wbps=2M' '/ wbps=max'; do
    bad 125 '--io-max' "${run[@]}" --io-max="$value" -- ./mark
done

long=$(printf 'x%.0s' {1..65})
for id in a/b .. . '' .hidden -dash "$long" $'two\nlines' 'a b' a:b ä $'a\tb' '*'; do
    bad 125 'job' run --job-id="$id" -- ./mark
done
for verb in status wait logs stop; do
    bad 125 'job' $verb
    bad 125 'no such job' $verb "$TAG-unknown"
    bad 125 'job id' $verb ../../etc/passwd
    bad 125 'one job' $verb a b
done

bad 125 'contradict' "${run[@]}" --exec --detach -- ./mark
bad 125 'contradict' "${run[@]}" --exec --timeout 3s -- ./mark
bad 125 'contradict' "${run[@]}" --exec --result-file r.json -- ./mark
bad 125 'contradict' "${run[@]}" --exec --forward-signals -- ./mark
bad 125 'contradict' "${run[@]}" --detach --forward-signals -- ./mark
bad 125 'contradict' "${run[@]}" --thread-fit --no-thread-fit -- ./mark
bad 125 '--cpus' "${run[@]}" --cpu-max 100% --cpus 2 -- ./mark
bad 125 '--memory-limit' "${run[@]}" --memory-max 1G --memory-limit 1000 -- ./mark
bad 125 '--cgroup-parent' "${run[@]}" --placement none --cgroup-parent /x -- ./mark

bad 125 '--memory-max' "${run[@]}" --memory-mx 1G -- ./mark
bad 125 'did you mean' "${run[@]}" --cpu-mox 50% -- ./mark
bad 125 '--frobnicate' "${run[@]}" --frobnicate -- ./mark
bad 125 '--cpu-max' "${run[@]}" --cpu-max -- ./mark
bad 125 'did you mean' stauts x
bad 125 'frobnicate' frobnicate
bad 125 'argument' ps something
bad 125 'profile' "${run[@]}" --profile no-such -- ./mark
bad 125 'placement' "${run[@]}" --placement moon -- ./mark
bad 125 'cgroup' "${run[@]}" --cgroup-parent ../up -- ./mark
bad 125 'no-such' "${run[@]}" --cgroup-parent /no-such-cgroup -- ./mark
bad 125 '--env' "${run[@]}" --env NOTHING -- ./mark
bad 125 '--env' "${run[@]}" --env =x -- ./mark
bad 125 '/no/such/dir' "${run[@]}" --workdir /no/such/dir -- "$TMP/mark"
bad 125 'plain' "${run[@]}" --workdir "$TMP/plain" -- "$TMP/mark"
bad 125 '/no/such/dir' "${run[@]}" --log /no/such/dir/log -- ./mark
bad 125 '/no/such/dir' "${run[@]}" --result-file /no/such/dir/r.json -- ./mark
bad 125 '--require' "${run[@]}" --require memory.max -- ./mark
bad 125 'bogus' "${run[@]}" --memory-max 1G --require bogus -- ./mark
bad 125 'memory.max' "${run[@]}" --placement none --memory-max 1G --require memory.max -- ./mark
bad 125 'cpu.max' "${run[@]}" --placement none --cpu-max 50% --require all -- ./mark
bad 125 'cpu.max' "${run[@]}" --placement none --detach --cpu-max 50% --require all -- ./mark
bad 125 'cpu.max' "${run[@]}" --placement none --exec --cpu-max 50% --require all -- ./mark
