# shellcheck shell=bash disable=SC2015,SC2016,SC2154
# The completion scripts are accepted by their shells and know every verb.
# shellcheck source=tests/integration/lib.sh
. "$TESTS/lib.sh"
for shell in bash zsh fish; do
    ffrtmp completion $shell >script.$shell
    for verb in run job ps status wait logs stop profiles capabilities; do grep -qw $verb script.$shell || fail "$shell does not know $verb"; done
    ! command -v $shell >/dev/null || $shell -n script.$shell || fail "$shell does not accept its script"
done
expect 125 ffrtmp completion tcsh
# shellcheck disable=SC2016
bash --norc -c '. ./script.bash; complete -p ffrtmp >/dev/null
    COMP_WORDS=(ffrtmp st) COMP_CWORD=1 COMP_LINE="ffrtmp st" COMP_POINT=9
    function=$(complete -p ffrtmp | sed "s/.*-F \([^ ]*\).*/\1/"); $function ffrtmp st ffrtmp
    echo "${COMPREPLY[*]}"' >words
assert_contains "$(cat words)" status
assert_contains "$(cat words)" stop
