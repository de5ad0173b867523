/** The list now, and again after each change. */
async function* changes(query) {
  let etag = null;
  for (;;) {
    const headers = { 'X-API-Key': KEY, ...(etag && { 'If-None-Match': etag }) };
    const answer = await fetch(`${GATEWAY}/sddcs?${query}&wait=45s`, { headers });
    if (answer.status === 200) {
      etag = answer.headers.get('etag');
      yield (await answer.json()).items;
    } else if (answer.status === 503) {
      const seconds = Number(answer.headers.get('retry-after') ?? 5);
      await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
    } else if (answer.status !== 304) {
      throw new Error((await answer.json()).detail);
    }
  }
}
