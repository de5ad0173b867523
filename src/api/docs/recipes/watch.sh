curl -N -H "X-API-Key: $KEY" "$GATEWAY/sddcs/events?state=READY"
