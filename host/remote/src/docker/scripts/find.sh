# Tells where the process is that starts a command. $1 and $2: what no command says, in two parts, so that who looks
# does not find itself.
printf '%s%s' "$1" "$2" | grep -l -F -f - /proc/[0-9]*/cmdline 2>/dev/null
exit 0
