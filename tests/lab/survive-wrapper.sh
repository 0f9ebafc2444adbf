# shellcheck shell=bash
# variants: root user bare hybrid
# timeout: 150
#
# Whatever happens to the wrapper, the encode goes on, and its file is complete and plays.

# shellcheck source=tests/lab/lib.sh
. "$LAB_TESTS/lib.sh"
cleanup() { tmux -L lab kill-server 2>/dev/null || true; kill_jobs; }
trap cleanup EXIT

# A live encode of 10 s.
encode=(ffmpeg -v error -re -f lavfi -i testsrc2=size=160x120:rate=5:duration=10 -c:v mpeg4 -y)
limits=(--cpu-max 90% --memory-max 300M)
declare -A pid
for way in KILL TERM HUP terminal; do
    if [ $way = terminal ]; then
        tmux -L lab -f /dev/null new-session -d -x 100 -y 20 bash --norc
        tmux -L lab send-keys "ffrtmp run --job-id $way ${limits[*]} -- ${encode[*]} $PWD/$way.mp4" Enter
    else
        ffrtmp run --job-id $way "${limits[@]}" -- "${encode[@]}" "$PWD/$way.mp4" 2>$way.err </dev/null &
    fi
    wait_for 60 test -e $way.mp4
    pid[$way]=$(job_pid $way)
    assert_eq ffmpeg "$(cat "/proc/${pid[$way]}/comm")"
    code=0
    case $way in
        terminal) tmux -L lab kill-pane ;;
        *) kill -$way $!
           wait $! 2>/dev/null || code=$? ;;
    esac
    case $way in
        KILL) assert_eq 137 $code ;;
        TERM) assert_eq 143 $code ;;
        HUP)  assert_eq 129 $code ;;
    esac
    case $way in
        TERM | HUP) grep -q "got SIG$way and let go of the job, which goes on" $way.err || fail "$way: said $(cat $way.err)" ;;
    esac
    wait_for 10 is_state $way unobserved
    ! gone "${pid[$way]}" || fail "$way: the encode has not outlived its wrapper"
done
for way in KILL TERM HUP terminal; do
    wait_for 60 gone "${pid[$way]}"
    assert_eq "50 10.000000" "$(ffprobe -v error -count_frames -show_entries stream=nb_read_frames:format=duration -of csv=p=0 $way.mp4 | xargs)" "$way: frames and duration"
done
