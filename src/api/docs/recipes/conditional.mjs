const first = await fetch(`${GATEWAY}/sddcs`, { headers: { 'X-API-Key': KEY } });
const known = await first.json();
const again = await fetch(`${GATEWAY}/sddcs`, {
  headers: { 'X-API-Key': KEY, 'If-None-Match': first.headers.get('etag') },
});
const sddcs = again.status === 304 ? known.items : (await again.json()).items;
