# shellcheck shell=bash disable=SC2154
# ffrtmp job --request: no argument shows what is in it, it is locked until the workload runs, and one that was taken back starts nothing.
# shellcheck source=tests/integration/lib.sh
. "$TESTS/lib.sh"
secret=SECRETSECRET
printf '{"type":"exec","rest":["sh","-c","echo ran >>%s/ran; sleep 3","%s"]}' "$PWD" "$secret" >request
chmod 600 request
ffrtmp job --request request -d --job-id "$TAG" >started
for pid in $(pgrep -x ffrtmp); do ! tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | grep -q "$secret" || fail "an argument shows it"; done
# The recorder lets go of it as soon as the workload runs.
flock -n request true || fail "the request is locked while the workload runs"
ffrtmp wait "$TAG"
assert_eq ran "$(cat ran)"

refused() { local words=$1; shift; if "$@" >out 2>&1; then fail "taken: $*"; fi; grep -qF -- "$words" out || fail "$(cat out)"; assert_eq 1 "$(wc -l <out)" "lines"; }
# Somebody launches from it at this moment.
flock request sh -c 'sleep 2' &
holder=$!
sleep 0.3
refused 'another ffrtmp starts this job' ffrtmp job --request request
wait "$holder"
chmod 644 request
refused 'others may read it' ffrtmp job --request request
chmod 600 request
refused 'holds the whole job' ffrtmp job --request request transcode
refused 'holds the whole job' ffrtmp job --request request -p a=b
refused 'no-such-file' ffrtmp job --request no-such-file
ln -s request link
refused 'link' ffrtmp job --request link
echo '{"type":"exec","rest":["true"],"parameter":{}}' >request
refused 'did you mean' ffrtmp job --request request
echo 'rubbish' >request
refused 'request' ffrtmp job --request request
assert_eq ran "$(cat ran)"
