# Tells the numbers of this process and of the command's, and whether there is such a command, runs it, and says on
# both streams that all that it wrote is there. $1: what no command says; $2: the working directory; then the command.
# Its own variables are none that a command would have.
sandpiper_mark=$1
shift
# Signals for the group are the command's; the shell's own words about its end are nobody's.
trap : 1 2 3 10 12 13 14 15
exec 3>&2 2>/dev/null
(
    exec 2>&3 3>&-
    read -r sandpiper_process _ </proc/self/stat
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
            echo "$$ $sandpiper_process missing"
        elif [ -d "$sandpiper_found" ]; then
            echo "$$ $sandpiper_process directory"
        elif [ ! -x "$sandpiper_found" ]; then
            echo "$$ $sandpiper_process denied"
        else
            echo "$$ $sandpiper_process found"
            exec "$@"
        fi
    else
        echo "$$ $sandpiper_process nowhere"
    fi
    exit 127
)
sandpiper_code=$?
printf '\036%s %d\n' "$sandpiper_mark" "$sandpiper_code"
printf '\036%s %d\n' "$sandpiper_mark" "$sandpiper_code" >&3
exit "$sandpiper_code"
