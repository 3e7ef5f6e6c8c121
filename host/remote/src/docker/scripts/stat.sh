# $1: a path, of which a symlink is itself.
exec stat -c '%f %s %Y %y %n//' -- "$1"
