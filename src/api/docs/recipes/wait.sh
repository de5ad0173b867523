ETAG=$(curl -s -o sddcs.json -w '%header{etag}' -H "X-API-Key: $KEY" "$GATEWAY/sddcs?state=READY")
curl -H "X-API-Key: $KEY" -H "If-None-Match: $ETAG" "$GATEWAY/sddcs?state=READY&wait=45s"
