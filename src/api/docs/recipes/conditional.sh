ETAG=$(curl -s -o sddcs.json -w '%header{etag}' -H "X-API-Key: $KEY" "$GATEWAY/sddcs")
curl -s -o /dev/null -w '%{http_code}\n' -H "X-API-Key: $KEY" -H "If-None-Match: $ETAG" "$GATEWAY/sddcs"
