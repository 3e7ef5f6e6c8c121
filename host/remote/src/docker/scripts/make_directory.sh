# $1: a directory.
[ -d "$1" ] && exit 0
[ -e "$1" ] && exit 66
exec mkdir -p -- "$1"
