# $1: a directory; $2: the most bytes of the archive. Ends as tar does, not as what cuts it off.
exec 4>&1
code=$({
    {
        tar -cf - -C "$1" . 3>&- 4>&-
        echo $? >&3
    } | head -c "$2" >&4
} 3>&1)
exit "$code"
