async function* allHosts() {
  const query = new URLSearchParams({ limit: '500' });
  for (;;) {
    const answer = await fetch(`${GATEWAY}/hosts?${query}`, { headers: { 'X-API-Key': KEY } });
    if (!answer.ok) throw new Error((await answer.json()).detail);
    const page = await answer.json();
    yield* page.items;
    if (page.next_cursor === null) return;
    query.set('cursor', page.next_cursor);
  }
}
