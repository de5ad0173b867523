curl -s -H "X-API-Key: $KEY" "$GATEWAY/sddcs?state=REDY" | jq '{code, detail, retryable, errors}'
