# Sends a signal. $1: its number; then processes, or groups with a minus.
number=$1
shift
kill -s "$number" -- "$@" 2>/dev/null
exit 0
