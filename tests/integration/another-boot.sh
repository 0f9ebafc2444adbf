# shellcheck shell=bash disable=SC2015,SC2016,SC2154
# Records of another boot name nobody, whatever runs under that PID now: nothing is shown as running, nothing is signalled.
# shellcheck source=tests/integration/lib.sh
. "$TESTS/lib.sh"
expect 0 ffrtmp run -q -d --job-id "$TAG" -- sleep 60
pid=$(pid_of "$TAG")
cp -r "state/jobs/$TAG" kept
sed -i 's/"boot_id":\( *\)"[0-9a-f]\{8\}/"boot_id":\1"00000000/g; s/"job_id":\( *\)"[^"]*"/"job_id":\1"'"$TAG-old"'"/' kept/record.json
mv kept "state/jobs/$TAG-old"
assert_eq lost "$(ffrtmp status --json "$TAG-old" | jq -r .state)"
ffrtmp stop "$TAG-old" 2>/dev/null || true
runs "$pid" || fail "signalled a PID of another boot"
sleep 60 & other=$!
sed -i 's/"start_ticks":\( *\)[0-9]*/"start_ticks":\11/; s/"pid":\( *\)[0-9]*/"pid":\1'$other'/' "state/jobs/$TAG-old/record.json"
ffrtmp stop "$TAG-old" 2>/dev/null || true
runs $other || fail "signalled another process with a PID of the record"
kill $other
expect 0 ffrtmp stop "$TAG"
