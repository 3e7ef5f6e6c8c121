# Removes what is in directories. $@: the directories; those that are missing are empty.
for directory; do
    rm -rf -- "$directory"/* "$directory"/.[!.]* "$directory"/..?* || exit 1
done
