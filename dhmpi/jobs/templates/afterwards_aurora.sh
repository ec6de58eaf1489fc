[ "$NODES" -le 1000 ] || [ -z "$DHMPI_ROOT" ] || stop_copper.sh -v "$copper"
