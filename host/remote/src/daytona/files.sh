# What the files' scripts begin with; `script.rs` says what they print.
LC_ALL=C TZ=UTC
export LC_ALL TZ
no() { printf 'no %s' "$1"; exit; }
denied() {
  [ "$(id -u)" = 0 ] && no read-only
  no denied
}
may_write() { [ -w "$1" ] && [ -x "$1" ] || denied; }
there() {
  if [ -e "$1" ] || [ -L "$1" ]; then return; fi
  leads "$1"
  no missing
}
leads() {
  up=$1
  while [ -n "$up" ]; do
    up=${up%/*}
    if [ -e "${up:-/}" ]; then
      [ -d "${up:-/}" ] || no not-directory
      [ -x "${up:-/}" ] || no denied
      return
    fi
  done
}
parent() {
  above=${1%/*}
  above=${above:-/}
  there "$above"
  [ -d "$above" ] || no not-directory
  may_write "$above"
}
empty() { [ -z "$(ls -A -- "$1")" ]; }
try() { words=$("$@" 2>&1) || no "tool $words"; }
print() {
  count=$(tr -cd '\0' <"$kept" | wc -c)
  if [ "$count" -gt "$most" ]; then
    rm -f -- "$kept"
    no many
  fi
  printf 'ok %s\n' "$1"
  if [ "$count" -gt 0 ]; then xargs -0 stat -c '%f %s %Y %y' -- <"$kept"; fi
  echo
  cat -- "$kept"
  rm -f -- "$kept"
}
