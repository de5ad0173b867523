const answer = await fetch(`${GATEWAY}/sddcs?state=REDY`, { headers: { 'X-API-Key': KEY } });
if (!answer.ok) {
  const problem = await answer.json();
  console.log(problem.code, problem.detail, 'request', problem.request_id);
  if (problem.retryable) console.log('again in', answer.headers.get('retry-after') ?? 'a few', 'seconds');
  for (const fault of problem.errors ?? []) {
    console.log(fault.parameter, fault.problem, 'did you mean', fault.did_you_mean);
  }
}
