quoted() { # a word, for programs that split a line into words as a shell does
    local apostrophe="'\"'\"'"
    echo "'${1//\'/$apostrophe}'"
}
DATABASE=${DATABASE:-testdb}
WORKFLOW=${WORKFLOW:-AMBS}
[ -d "$DATABASE" ] || balsam init "$DATABASE"
# shellcheck source=/dev/null
source balsamactivate "$DATABASE"
balsam ls apps | grep -qw AMBS || balsam app --name AMBS --executable "$DH_AMBS"
# else the search of an earlier job, which Balsam has noted as timed out, would run too
balsam rm jobs --force --wf-filter "$WORKFLOW" --name search
balsam job --yes --name search --application AMBS --workflow "$WORKFLOW" \
    --node-packing-count "$RANKS_PER_NODE" \
    --args "--evaluator balsam:packing=$RANKS_PER_NODE --num-workers $((RANKS - 1)) \
    --problem $(quoted "$PROBLEM") ${RUN:+--run $(quoted "$RUN")} --max-evals $MAX_EVALS \
    --output $(quoted "$OUTPUT") ${resume[*]} $ARGUMENTS"
balsam launcher --wf-filter "$WORKFLOW" --job-mode serial \
    --time-limit-minutes $(((COBALT_ENDTIME - began) / 60 - 2))
status=$?
# shellcheck source=/dev/null
source balsamdeactivate
