# $1: a directory; $2: how deep. A record ends with two slashes and a line's end, which no path has.
stat -c %f -- "$1" >/dev/null || exit 1
[ -d "$1" ] || exit 66
cd -- "$1" 2>/dev/null && [ -r . ] || exit 67
exec find . -mindepth 1 -maxdepth "$2" -exec stat -c '%f %s %Y %y %n//' {} +
