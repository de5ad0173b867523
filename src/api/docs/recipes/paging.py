def all_hosts():
    query = {"limit": 500}
    while True:
        answer = session.get(f"{GATEWAY}/hosts", params=query, timeout=30)
        answer.raise_for_status()
        page = answer.json()
        yield from page["items"]
        if page["next_cursor"] is None:
            return
        query["cursor"] = page["next_cursor"]
