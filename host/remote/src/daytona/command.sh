# Runs one command for the adapter; `command.rs` says what it prints, and why.
# $1 working directory, $2 PATH to look in or empty, $3 standard input (`-` none, `+` lines of the
# session, else a file that is removed), $4 name of the command; then what `env` takes.
input=$3
exec 3>&1 4>&2
for tool in base64 dd env; do
  command -v "$tool" >/dev/null 2>&1 || { echo "?$tool" >&4; exit 0; }
done
group= line_end='
'
command -v setsid >/dev/null 2>&1 && group=setsid
encode() {
  while :; do
    text=$(dd bs=49152 count=1 2>/dev/null | base64 -w0) || { echo '?base64'; return; }
    [ -n "$text" ] || break
    printf '%s\n' "$text"
  done
  echo .
}
decode() {
  while IFS= read -r line; do
    case $line in
      i:) break ;;
      i:*) printf %s "${line#i:}" | base64 -d || break ;;
    esac
  done
}
begin='
cd -- "$1" 2>/dev/null || { echo "!directory" >&4; exit 126; }
path=${2:-$PATH}: name=$4 denied=
shift 4
case $name in
  */*) path=: ;;
esac
while [ -n "$path" ]; do
  place=${path%%:*}
  path=${path#*:}
  file=${place:-.}/$name
  case $name in
    */*) file=$name ;;
  esac
  if [ -f "$file" ] && [ -x "$file" ]; then
    echo "@$$" >&4
    echo "$$" >&8
    exec 3>&- 4>&- 8>&-
    exec env -- "$@"
  fi
  [ -e "$file" ] && denied=1
done
if [ -n "$denied" ]; then echo "!denied" >&4; exit 126; fi
echo "!missing" >&4
exit 127'
execute() {
  if [ "$input" != - ] && [ "$input" != + ]; then rm -f -- "$input"; fi
  exec 5>&2 9>&1
  # In the foreground: what a shell has in the background ignores interrupts.
  ended=$(
    exec 8>&1 >/dev/null 2>&1
    $group /bin/sh -c "$begin" sandpiper "$@" >&9 2>&5 5>&- 9>&-
    echo "$?" >&8
  )
  exec 5>&- 9>&- >/dev/null 2>&1
  case $ended in
    *"$line_end"*) [ -n "$group" ] && kill -s KILL -- "-${ended%%"$line_end"*}" ;;
  esac
  printf '#%s\n' "${ended##*"$line_end"}" >&4
}
feed() {
  case $input in
    -) execute "$@" </dev/null ;;
    +) decode 3>&- 4>&- | execute "$@" ;;
    *) execute "$@" <"$input" ;;
  esac
}
{ { feed "$@" 2>&1 >&6 6>&- | encode >&4 6>&-; } 6>&1 | encode >&3; }
