read -ra modules <<< "$MODULE"
[ "${#modules[@]}" = 0 ] || command -v module > /dev/null ||
    give_up "module load $MODULE needs the command module, and there is none; give an empty MODULE if dhmpi is in PATH"
@MODULES@
if [ "${#modules[@]}" != 0 ]; then
    module use "@MODULEFILES@"
    module load "${modules[@]}" ||
        give_up "module load $MODULE must succeed, and does not; give another MODULE, or none if dhmpi is in PATH"
fi
command -v dhmpi > /dev/null || give_up "dhmpi must be in PATH, and is not; give the MODULE that brings it"
