#!/bin/sh
# Makes a few REST calls with curl. Prints a line of JSON for each: {"step", "result"} or {"step", "fault"}.
# Arguments: base URL, client, secret. curl takes a proxy from HTTPS_PROXY and an authority from CURL_CA_BUNDLE.
set -eu
base=$1 client=$2 secret=$3

field() { sed -n "s/.*\"$1\":\"\{0,1\}\([^\",}]*\).*/\1/p"; }

token=$(curl -sS --fail -G "$base/identity/oauth/token" --data-urlencode grant_type=client_credentials \
  --data-urlencode "client_id=$client" --data-urlencode "client_secret=$secret" | field access_token)

# call STEP CURL-ARGUMENT…: an error is what errors[] says, whatever the status
call() {
  step=$1
  shift
  answer=$(curl -sS -H "Authorization: Bearer $token" "$@")
  case $answer in
  *'"success":true'*)
    status=$(printf %s "$answer" | field status) code=$(printf %s "$answer" | field code)
    id=$(printf %s "$answer" | field id) email=$(printf %s "$answer" | field email)
    echo "{\"step\":\"$step\",\"result\":{\"id\":\"$id\",\"email\":\"$email\",\"status\":\"$status\",\"code\":\"$code\"}}"
    ;;
  *)
    code=$(printf %s "$answer" | field code) text=$(printf %s "$answer" | field message)
    echo "{\"step\":\"$step\",\"fault\":{\"class\":\"errors\",\"code\":\"$code\",\"text\":\"$text\"}}"
    ;;
  esac
}

call leads -G "$base/rest/v1/leads.json" --data-urlencode filterType=email --data-urlencode filterValues=rufus@marketo.com
call fault "$base/rest/v1/stats/usage.json"
call partial "$base/rest/v1/leads.json" -H 'Content-Type: application/json' \
  --data '{"action":"createOnly","lookupField":"email","input":[{"email":"rufus@marketo.com"}]}'
call reset "$base/rest/v1/campaigns.json"
