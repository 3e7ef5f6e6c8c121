# Runs one command for the adapter; `command.rs` says what it prints, and why.
# $1 working directory or empty, $2 PATH to look in or empty, $3 standard input (`-` none, `+` lines of the
# session, else a file that is removed), $4 what the names of the files begin with that close a stream, $5 name of
# the command; then what `env` takes.
input=$3 closing=$4
exec 3>&1 4>&2
for tool in base64 dd env; do
  command -v "$tool" >/dev/null 2>&1 || { echo "?$tool" >&4; exit 0; }
done
group= sign='~' line_end='
'
command -v setsid >/dev/null 2>&1 && group=setsid sign=@
encode() {
  while [ ! -e "$closing$1" ]; do
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
exec >&9 2>&5 5>&- 9>&-
if [ -z "$1" ] && [ -d /workspace ]; then cd /workspace; else cd -- "${1:-/}"; fi 2>/dev/null || {
  echo "!directory" >&4
  exit 126
}
path=${2:-$PATH}: name=$5 denied=
shift 5
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
    echo "$sign$$" >&4
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
  # In the foreground: what a shell has in the background ignores interrupts. All that this shell itself may say is
  # that a signal has ended the command, which the status alone does not tell.
  ended=$(
    exec 8>&1 2>&1 >/dev/null
    $group /bin/sh -c "sign='$sign'$begin" sandpiper "$@"
    echo "$?" >&8
  )
  exec 5>&- 9>&- >/dev/null 2>&1
  status=${ended##*"$line_end"} by=
  said=${ended%"$status"}
  case $said in
    *"$line_end"*"$line_end") by=' signal' ;;
  esac
  [ -n "$group" ] && [ -n "$said" ] && kill -s KILL -- "-${said%%"$line_end"*}"
  printf '#%s%s\n' "$status" "$by" >&4
}
feed() {
  case $input in
    -) execute "$@" </dev/null ;;
    +) decode 3>&- 4>&- | execute "$@" ;;
    *) execute "$@" <"$input" ;;
  esac
}
{ { feed "$@" 2>&1 >&6 6>&- | encode 2 >&4 6>&-; } 6>&1 | encode 1 >&3; }
