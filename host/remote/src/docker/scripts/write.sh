# $1: a file; $2: how many bytes come; $3: what no other file's name ends with. What is cut off does not become
# the file.
path=$1
if [ -L "$path" ]; then
    # Busybox takes what a link that leads nowhere says from here.
    cd -- "${path%/*}/" || exit 1
    # A name may end with a line's end, which is cut off where a text is taken.
    path=$(readlink -f -- "$path" && echo x)
    path=${path%??}
    [ "$path" ] || exit 64
fi
[ -d "$path" ] && exit 61
[ -e "$path" ] && [ ! -f "$path" ] && exit 62
beside=${path%/*}/.sandpiper-$3
trap 'rm -f -- "$beside"' EXIT
head -c "$2" | dd bs=65536 status=none of="$beside" || exit 1
[ "$(stat -c %s -- "$beside")" = "$2" ] || exit 65
if [ -e "$path" ]; then
    chmod -- "$(stat -c %a -- "$path")" "$beside" || exit 1
fi
mv -f -- "$beside" "$path"
