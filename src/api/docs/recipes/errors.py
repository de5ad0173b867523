answer = session.get(f"{GATEWAY}/sddcs", params={"state": "REDY"}, timeout=30)
if not answer.ok:
    problem = answer.json()
    print(problem["code"], problem["detail"], "request", problem["request_id"])
    if problem["retryable"]:
        print("again in", answer.headers.get("Retry-After", "a few"), "seconds")
    for fault in problem.get("errors", []):
        print(fault["parameter"], fault["problem"], "did you mean", fault["did_you_mean"])
