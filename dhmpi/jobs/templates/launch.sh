mapfile -t arguments < <(xargs -r printf '%s\n' <<< "$ARGUMENTS")
@PLACEMENT@
@LAUNCHER@ "$SEARCH" --problem "$PROBLEM" ${RUN:+--run "$RUN"} \
    @GPU_OPTION@
    --max-evals "$MAX_EVALS" --output "$OUTPUT" "${resume[@]}" "${arguments[@]}"
status=$?
@AFTERWARDS@
