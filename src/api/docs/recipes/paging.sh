CURSOR=
while :; do
  PAGE=$(curl -sf -H "X-API-Key: $KEY" "$GATEWAY/sddcs?limit=2&fields=name${CURSOR:+&cursor=$CURSOR}") || break
  echo "$PAGE" | jq -r '.items[].name'
  CURSOR=$(echo "$PAGE" | jq -r '.next_cursor // empty')
  [ -n "$CURSOR" ] || break
done
