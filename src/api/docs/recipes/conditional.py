first = session.get(f"{GATEWAY}/sddcs", timeout=30)
again = session.get(f"{GATEWAY}/sddcs", headers={"If-None-Match": first.headers["ETag"]}, timeout=30)
sddcs = first.json()["items"] if again.status_code == 304 else again.json()["items"]
