# Lets the user write to directories that are root's. $1: the user; $2: what a snapshot has of the directory in memory;
# then the directories. Says whether there is such.
user=$1
kept=$2
shift 2
for directory; do
    chmod 1777 "$directory" 2>/dev/null || [ "$(stat -c %u "$directory")" = "$user" ] || {
        echo "$directory is neither root's nor the user $user's" >&2
        exit 1
    }
done
[ -d "$kept" ] && echo kept
exit 0
