#!/bin/sh
# Sends a mail with an attachment through relay365 and waits until Exchange has taken it. Needs curl 7.76 or newer.
#
#     RELAY365_URL=http://localhost:3000 RELAY365_KEY=... ./send.sh TO FILE
set -eu
if [ $# -ne 2 ]; then
  echo 'usage: send.sh TO FILE' >&2
  exit 2
fi

# call METHOD PATH [curl's options]: prints the answer; a refusal goes to standard error, with the errors in it.
call() {
  method=$1 path=$2
  shift 2
  if ! answer=$(curl -sS --fail-with-body --max-time 30 -X "$method" "$@" \
    ${RELAY365_KEY:+-H "Authorization: Bearer $RELAY365_KEY"} \
    "${RELAY365_URL:-http://localhost:3000}$path"); then
    printf '%s\n' "$answer" >&2
    return 1
  fi
  printf '%s\n' "$answer"
}

# json TEXT: the text as a JSON string.
json() {
  printf '"%s"' "$(printf '%s' "$1" | sed 's/\\/\\\\/g; s/"/\\"/g')"
}

# field NAME: a string of the answer's first level. With jq at hand, use jq -r .NAME instead.
field() {
  sed -n 's/^{[^][{}]*"'"$1"'":"\([^"]*\)".*/\1/p'
}

# Piped, because an argument can't hold a large attachment.
mail() {
  printf '{"to":%s,"subject":"Invoice 4711 – Müller GmbH","text":"The invoice is attached.",' "$(json "$1")"
  printf '"attachments":[{"filename":%s,"content":"' "$(json "$(basename "$2")")"
  base64 <"$2" | tr -d '\n'
  printf '"}]}'
}

accepted=$(mail "$1" "$2" | call POST /send -H 'Content-Type: application/json' --data-binary @-)
id=$(printf '%s' "$accepted" | field id)
echo "accepted: $id"

for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30; do
  message=$(call GET "/messages/$id")
  status=$(printf '%s' "$message" | field status)
  case $status in sent | failed | expired | canceled) break ;; esac
  sleep 1
done
echo "$status"
[ "$status" = sent ] || { printf '%s\n' "$message" >&2; exit 1; }
