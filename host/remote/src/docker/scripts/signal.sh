# Sends a signal. $1: its number; $2: the process, or the group with a minus.
kill -s "$1" -- "$2" 2>/dev/null
exit 0
