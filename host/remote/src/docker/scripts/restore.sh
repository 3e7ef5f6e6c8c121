# Brings what a snapshot has kept to its place. $1: where it is; $2: the directory.
cd -- "$1" || exit 1
for name in * .[!.]* ..?*; do
    if [ -e "$name" ] || [ -L "$name" ]; then
        cp -a -- "$name" "$2/" || exit 1
    fi
done
