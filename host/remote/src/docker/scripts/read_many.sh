# $1: the most bytes of a file; $2: how many bytes of names come, each name with a NUL. A length and so many bytes go
# out for each, or `-` for one that cannot be read. A file that gets shorter meanwhile ends with NULs.
head -c "$2" | xargs -0 /bin/sh -c '
    most=$1
    shift
    for path; do
        if [ -f "$path" ] && [ -r "$path" ] && size=$(stat -c %s -- "$path") && [ "$size" -le "$most" ]; then
            echo "$size"
            { cat -- "$path"; cat /dev/zero; } 2>/dev/null | head -c "$size"
        else
            echo -
        fi
    done
' sandpiper "$1"
