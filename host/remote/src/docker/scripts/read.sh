# $1: a file; $2: the most bytes that it may have; $3: one more than that.
[ -d "$1" ] && exit 61
size=$(stat -L -c %s -- "$1") || exit 1
[ -f "$1" ] || exit 62
if [ "$size" -gt "$2" ]; then
    echo "$size"
    exit 63
fi
exec head -c "$3" -- "$1"
