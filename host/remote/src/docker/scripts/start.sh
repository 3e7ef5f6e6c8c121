# Tells the number of this process and whether there is such a command, and becomes the command. $1: the working
# directory; then the command. Its own variables are none that a command would have.
if cd "$1" 2>/dev/null; then
    unset OLDPWD
    shift
    sandpiper_found=
    case $1 in
    */*) [ -e "$1" ] && sandpiper_found=$1 ;;
    *)
        set -f
        IFS=:
        for sandpiper_directory in $PATH; do
            if [ -f "${sandpiper_directory:-.}/$1" ] && [ -x "${sandpiper_directory:-.}/$1" ]; then
                sandpiper_found=${sandpiper_directory:-.}/$1
                break
            fi
        done
        unset IFS
        ;;
    esac
    if [ -z "$sandpiper_found" ]; then
        echo "$$ missing"
    elif [ -d "$sandpiper_found" ]; then
        echo "$$ directory"
    elif [ ! -x "$sandpiper_found" ]; then
        echo "$$ denied"
    else
        echo "$$ found"
        exec "$@"
    fi
else
    echo "$$ nowhere"
fi
exit 127
