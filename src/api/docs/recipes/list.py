import requests

session = requests.Session()
session.headers["X-API-Key"] = KEY
query = {"state": ["READY", "DEPLOYING"], "fields": "id,name,region"}
answer = session.get(f"{GATEWAY}/sddcs", params=query, timeout=30)
if not answer.ok:
    raise RuntimeError(answer.json()["detail"])
print("age in seconds:", answer.headers["Age"])
for sddc in answer.json()["items"]:
    print(sddc["name"], sddc["region"])
