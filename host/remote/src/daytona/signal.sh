# Sends $signal to the process $first, or to $whom `all` to those below it as well, where no process group has them.
list=$(ps -e -o pid= -o ppid= 2>/dev/null)
below() {
  while read -r process parent; do
    if [ "$parent" = "$1" ]; then echo "$process"; fi
  done <<END
$list
END
}
tree() {
  echo "$1"
  for child in $(below "$1"); do tree "$child"; done
}
# Where a shell cannot become another program, but only wait for it, the command is $depth below.
set -- $(/bin/sh -c 'echo $$; exec /bin/sh -c "echo \$\$"')
while [ "$1" != "$2" ] && [ "$depth" -gt 0 ]; do
  set -- "$1" "$2" $(below "$first")
  [ -n "$3" ] || break
  first=$3 depth=$((depth - 1))
done
case $whom in
  all) set -- $(tree "$first") ;;
  *) set -- "$first" ;;
esac
for process; do kill -s "$signal" "$process"; done
