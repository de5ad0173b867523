curl -H "X-API-Key: $KEY" "$GATEWAY/sddcs?state=READY&fields=id,name,region"
