# Ends all processes of a command: those of its group at once, then those of its session that have left the group.
# $1: the number of its first process.
kill -s KILL -- "-$1" 2>/dev/null
for round in 1 2 3 4 5 6 7 8 9; do
    again=
    for process in /proc/[0-9]*; do
        stat=
        # A name may have lines; what is read is in the last.
        while read -r line; do stat=$line; done 2>/dev/null <"$process/stat"
        set -- "$1" ${stat##*) }
        # State, parent, group, session.
        if [ "$5" = "$1" ] && [ "$2" != Z ]; then
            kill -s KILL "${process#/proc/}" 2>/dev/null
            again=1
        fi
    done
    [ "$again" ] || break
done
exit 0
