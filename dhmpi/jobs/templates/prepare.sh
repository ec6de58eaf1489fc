began=$(date +%s)
resume=()
[ ! -e "$OUTPUT" ] || resume=(--resume) # the campaign in it goes on
xargs -r printf '%s\n' <<< "$ARGUMENTS" > /dev/null || give_up "ARGUMENTS must be words, got $ARGUMENTS"
trap CHAIN=0 TERM # ending this job ends the chain, too; the rest of the script runs when the search has ended
