import time

def changes(query):
    """The list now, and again after each change."""
    etag = None
    while True:
        headers = {"If-None-Match": etag} if etag else {}
        answer = session.get(f"{GATEWAY}/sddcs", params=query | {"wait": "45s"}, headers=headers, timeout=60)
        if answer.status_code == 200:
            etag = answer.headers["ETag"]
            yield answer.json()["items"]
        elif answer.status_code == 503:
            time.sleep(int(answer.headers.get("Retry-After", 5)))
        elif answer.status_code != 304:
            answer.raise_for_status()
