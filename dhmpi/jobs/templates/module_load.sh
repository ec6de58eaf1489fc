give_up() { # with a sentence, and the status of what cannot be used
    echo "$1" >&2
    exit @INPUT@
}
@MODULES@
read -ra modules <<< "$MODULE"
if [ "${#modules[@]}" != 0 ]; then
    module use "@MODULEFILES@"
    module load "${modules[@]}" ||
        give_up "module load $MODULE must succeed, and does not; give another MODULE, or none if dhmpi is in PATH"
fi
command -v dhmpi > /dev/null || give_up "dhmpi must be in PATH, and is not; give the MODULE that brings it"
