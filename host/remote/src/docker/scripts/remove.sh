# $1: a path; $2: `all` for a directory with what is in it.
if [ -d "$1" ] && [ ! -L "$1" ]; then
    [ "$2" = all ] && exec rm -rf -- "$1"
    exec rmdir -- "$1"
fi
stat -c %f -- "$1" >/dev/null || exit 1
exec rm -f -- "$1"
