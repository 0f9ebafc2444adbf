# shellcheck shell=bash
# variants: hybrid
# timeout: 120
#
# Job control in a real terminal: the keys reach the workload, Ctrl-Z stops the job as the shell
# sees it, fg resumes it, and the prompt comes back with a sane terminal.

# shellcheck source=tests/lab/lib.sh
. "$LAB_TESTS/lib.sh"
cleanup() { tmux -L lab kill-server 2>/dev/null || true; kill_jobs; }
trap cleanup EXIT

keys() { tmux -L lab send-keys "$@"; }
screen() { tmux -L lab capture-pane -p -J -S - | sed '/^$/d'; }
shows() { screen | grep -qE -- "$1"; }
see() { wait_for 60 shows "$1"; }
# Both the terminal's settings and the prompt are asked: a shell that has lost either cannot answer.
prompt_is_back() {
    keys "stty -a | grep -c ' icanon.* echo ' ; stty -a | grep -o ' isig'; echo back-\$((6 * 7))-$1" Enter
    see "^back-42-$1\$"
    assert_eq "$settings" "$(stty -a -F "$(tmux -L lab display -p '#{pane_tty}')" | grep -oE -- '-?(icanon|echo|isig|icrnl|opost)\b' | sort | xargs)" "terminal after $1"
}

tmux -L lab -f /dev/null new-session -d -x 150 -y 50 env PS1='prompt> ' bash --norc --noprofile
see 'prompt>'
keys 'trap "echo shell-was-hit" INT' Enter
settings=$(stty -a -F "$(tmux -L lab display -p '#{pane_tty}')" | grep -oE -- '-?(icanon|echo|isig|icrnl|opost)\b' | sort | xargs)

# Ctrl-C: one SIGINT for the workload, none for us.
keys "ffrtmp run --job-id c --memory-max 100M -- python3 -c 'import signal,time; signal.signal(signal.SIGINT, lambda *a: (print(\"workload-\" + \"hit\"), exit(3))); print(\"rea\" + \"dy\", flush=True); time.sleep(100)'; echo code-\$?" Enter
see '^ready'
keys C-c
see '^code-3'
assert_eq 1 "$(screen | grep -c 'workload-hit')" "times that Ctrl-C arrived"
prompt_is_back ctrl-c

# Ctrl-Z, jobs, bg, fg.
keys "ffrtmp run --job-id z --memory-max 100M -- python3 -c 'import time; print(\"rea\" + \"dy-z\", flush=True); time.sleep(2); input(\"ask\" + \"ing\"); print(\"ans\" + \"wered\")'; echo code-z-\$?" Enter
see '^ready-z'
pid=$(job_pid z)
keys C-z
see 'Stopped .*ffrtmp run'
grep -q '^State:.*T' "/proc/$pid/status" || fail "the workload is not stopped: $(grep State "/proc/$pid/status")"
prompt_is_back ctrl-z
keys 'fg; echo code-fg-$?' Enter
see '^asking'
keys text Enter
see '^answered'
see '^code-fg-0'
prompt_is_back fg

# q ends FFmpeg, which reads the terminal itself.
keys "ffrtmp run --job-id q --memory-max 300M -- ffmpeg -hide_banner -re -f lavfi -i testsrc2=size=160x120:rate=5:duration=200 -c:v mpeg4 -y $PWD/q.mp4; echo code-q-\$?" Enter
see 'Press \[q\] to stop'
wait_for 60 test -s q.mp4
sleep 1
keys q
see '^code-q-0'
ffmpeg -v error -i q.mp4 -f null - 2>decode.err
assert_eq '' "$(cat decode.err)" decoding
prompt_is_back q
