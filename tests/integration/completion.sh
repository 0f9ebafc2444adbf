# shellcheck shell=bash disable=SC2015,SC2016,SC2154
# The completion scripts are accepted by their shells and know every verb.
# shellcheck source=tests/integration/lib.sh
. "$TESTS/lib.sh"
for shell in bash zsh fish; do
    ffrtmp completion $shell >script.$shell
    for verb in run job attach watch detach set pause resume ps top status why wait logs stop profiles capabilities doctor selftest; do
        grep -qw $verb script.$shell || fail "$shell does not know $verb"
    done
    $shell -n script.$shell || fail "$shell does not accept its script"
done
expect 125 ffrtmp completion tcsh
# shellcheck disable=SC2016
bash --norc -c '. ./script.bash; complete -p ffrtmp >/dev/null
    COMP_WORDS=(ffrtmp st) COMP_CWORD=1 COMP_LINE="ffrtmp st" COMP_POINT=9
    function=$(complete -p ffrtmp | sed "s/.*-F \([^ ]*\).*/\1/"); $function ffrtmp st ffrtmp
    echo "${COMPREPLY[*]}"' >words
assert_contains "$(cat words)" status
assert_contains "$(cat words)" stop
fish --no-config -c 'source script.fish; complete -C"ffrtmp st"; complete -C"ffrtmp run --memory-m"' >words
assert_contains "$(cut -f 1 words)" status
assert_contains "$(cut -f 1 words)" --memory-max
assert_eq _ffrtmp "$(zsh -f -c 'autoload -U compinit; compinit -D -u; source ./script.zsh; print $_comps[ffrtmp]')"
# Installed, it is found by its file's name, and completes at its first call.
mkdir functions && cp script.zsh functions/_ffrtmp
cat >press.zsh <<'EOF'
zmodload zsh/zpty
zpty shell zsh -f -i
zpty -w shell "PS1= fpath=($PWD/functions \$fpath); autoload -U compinit; compinit -D -u; zstyle ':completion:*' list-packed no; stty -echo; echo rea''dy"
zpty -r -m shell line '*ready*' || exit 1
zpty -w -n shell $'ffrtmp sto\t'
zpty -r -m shell line '*stop*' && print -r -- completed
zpty -d shell
EOF
assert_contains "$(timeout 60 zsh -f press.zsh)" completed
