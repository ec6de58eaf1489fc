began=$(date +%s)
resume=()
[ ! -e "$OUTPUT" ] || resume=(--resume) # the campaign in it goes on
read -ra arguments <<< "$ARGUMENTS"
trap CHAIN=0 TERM # ending this job ends the chain, too; the rest of the script runs when the search has ended
