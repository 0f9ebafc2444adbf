# shellcheck shell=bash disable=SC2015,SC2016,SC2154
# A sender whose receiver does not read is held back by the network, likely; one that waits in poll is not blamed on it.
# shellcheck source=tests/integration/lib.sh
. "$TESTS/lib.sh"
need python3
python3 - >port 2>server.err <<'PY' &
import socket, time
s = socket.socket()
s.bind(("127.0.0.1", 0))
s.listen(2)
print(s.getsockname()[1], flush=True)
held = s.accept()
time.sleep(100)
PY
server=$!
wait_for 20 test -s port
expect 0 ffrtmp run -q -d --job-id "$TAG-send" -- python3 -c 'import socket, sys
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
while True: s.sendall(b"x" * 65536)' "$(cat port)"
blocked() { ffrtmp why --json --window 1s "$TAG-send" >why.json && [ "$(jq -r '.causes[0].cause' why.json)" = network ] && [ "$(jq -r '.figures.network_sending > 0.2' why.json)" = true ]; }
wait_for 40 blocked
json why.json '.causes[0] | (.text | contains("sending") or contains("stood still")) and .command == null' >/dev/null
json why.json '.figures.network_sending > 0.2' >/dev/null
expect 0 ffrtmp run -q -d --job-id "$TAG-poll" -- python3 -c 'import select; select.select([], [], [], 100)'
expect 0 ffrtmp why --json --window 500ms "$TAG-poll"
json .out '[.causes[].cause] | index("network") == null' >/dev/null
for job in send poll; do ffrtmp stop --grace 1s "$TAG-$job"; done
kill $server
