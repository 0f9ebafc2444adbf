# shellcheck shell=bash
# Sourced by the scripts that build. Needs packages.sh and the top of the repository as working folder.

# What a build needs; the rest of a bare Debian 12 comes with these.
BUILD_PACKAGES=(g++ cmake ninja-build pkg-config libcli11-dev nlohmann-json3-dev libtomlplusplus-dev libsystemd-dev)
MEDIA_PACKAGES=(ffmpeg gstreamer1.0-tools gstreamer1.0-plugins-base gstreamer1.0-plugins-good)

# packages_of FILE...: the names in package lists, one a line, # for comments; files that are not there hold none.
packages_of() {
    local file
    for file in "$@"; do
        [ ! -f "$file" ] || sed 's/#.*//; /^[[:space:]]*$/d' "$file"
    done
}

# build_in DIR [CMAKE-OPTION...] [-- TARGET...]: configures once and builds; quiet unless it fails.
build_in() {
    local dir=$1 log options=() targets=()
    shift
    while [ $# -gt 0 ] && [ "$1" != -- ]; do options+=("$1"); shift; done
    [ $# -eq 0 ] || { shift; targets=("$@"); }
    mkdir -p "$dir"
    log=$dir/build.log
    if ! { cmake -G Ninja -S . -B "$dir" "${options[@]}" && cmake --build "$dir" ${targets[0]+--target "${targets[@]}"}; } >"$log" 2>&1; then
        grep -E 'error|Error|FAILED' -A 5 "$log" | head -n 60 >&2 || tail -n 40 "$log" >&2
        echo "the build in $dir failed; all of its output is in $log" >&2
        return 1
    fi
}
