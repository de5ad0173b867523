import json

def events(last_id=None):
    """The events of one connection: call again with the last id when it ends."""
    headers = {"Last-Event-ID": last_id} if last_id else {}
    with session.get(f"{GATEWAY}/sddcs/events", headers=headers, stream=True, timeout=(5, 45)) as answer:
        answer.raise_for_status()
        event = {}
        for line in answer.iter_lines(decode_unicode=True):
            if line == "" and "data" in event:
                yield event.get("event"), json.loads(event["data"]), event.get("id")
                event = {}
            elif line and not line.startswith(":"):
                field, _, value = line.partition(": ")
                event[field] = value
