# $1: a symlink.
stat -c %f -- "$1" >/dev/null || exit 1
[ -L "$1" ] || exit 69
exec readlink -n -- "$1"
