# shellcheck shell=bash disable=SC2015,SC2016,SC2154
# The exit code is the workload's own, 128+n for a signal, and 124 to 127 as documented; `wait` gives the same.
# shellcheck source=tests/integration/lib.sh
. "$TESTS/lib.sh"
expect 0 ffrtmp run -q -- true
expect 1 ffrtmp run -q -- false
for code in 0 3 77 124 125 126 127 128 255; do
    expect $code ffrtmp run -q -- sh -c "exit $code"
    expect $code ffrtmp run -q --exec -- sh -c "exit $code"
done
for signal in INT TERM KILL SEGV PIPE USR1; do
    expect $((128 + $(kill -l $signal))) ffrtmp run -q -- sh -c "kill -$signal \$\$"
done
touch plain
mkdir folder
printf 'echo from a script with no first line\n' >bare
chmod +x bare
expect 0 ffrtmp run -q -- ./bare
assert_eq "from a script with no first line" "$out"
printf '#!/nonexistent/interpreter\n' >orphan
chmod +x orphan
for mode in '' --exec --detach; do
    # shellcheck disable=SC2086
    {
        expect 127 ffrtmp run $mode -- no-such-command-here
        expect 127 ffrtmp run $mode -- ./no-such-file
        expect 126 ffrtmp run $mode -- ./plain
        expect 126 ffrtmp run $mode -- ./folder
        expect 127 ffrtmp run $mode -- ./orphan
        expect 125 ffrtmp run $mode --cpu-max nonsense -- true
    }
done
expect 124 ffrtmp run -q --timeout 200ms -- sleep 30
for code in 0 5 255; do
    expect 0 ffrtmp run -q -d --job-id "$TAG-$code" -- sh -c "sleep 0.2; exit $code"
    expect $code ffrtmp wait "$TAG-$code"
    expect $code ffrtmp wait "$TAG-$code"
done
expect 0 ffrtmp run -q -d --job-id "$TAG-s" -- sh -c 'kill -TERM $$'
expect 143 ffrtmp wait "$TAG-s"
expect 0 ffrtmp run -q -d --timeout 200ms --job-id "$TAG-t" -- sleep 30
expect 124 ffrtmp wait "$TAG-t"
expect 125 ffrtmp wait "$TAG-unknown"
