# $1: a path; $2: a mode.
exec chmod -- "$2" "$1"
