# $1: a directory, which is made; $2: how many bytes of an archive come. Its end is not the end of what comes.
mkdir -p -- "$1" || exit 1
# Busybox' tar takes the mask off the modes of directories, whatever it is told.
case $(tar --version 2>/dev/null) in
*GNU*) ;;
*) umask 0 ;;
esac
head -c "$2" | tar -xpf - -C "$1"
