# $1: a path; $2: its new one. `mv` copies from mount to mount, which is not asked for.
mount_of() {
    mount=/
    directory=$(cd -- "$1" 2>/dev/null && pwd -P)
    while read -r _ _ _ _ point _; do
        case $directory/ in
        "$point"/*) [ ${#point} -gt ${#mount} ] && mount=$point ;;
        esac
    done </proc/self/mountinfo
}
stat -c %f -- "$1" >/dev/null || exit 1
from=${1%/*}/
to=${2%/*}/
stat -c %f -- "$to" >/dev/null || exit 1
[ -d "$to" ] || exit 66
if [ -d "$1" ] && [ ! -L "$1" ]; then
    if [ -e "$2" ] || [ -L "$2" ]; then
        [ -d "$2" ] && [ ! -L "$2" ] || exit 66
    fi
else
    [ -d "$2" ] && [ ! -L "$2" ] && exit 61
fi
mount_of "$from"
before=$mount
mount_of "$to"
[ "$before" = "$mount" ] || exit 68
exec mv -T -f -- "$1" "$2"
