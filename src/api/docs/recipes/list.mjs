const query = new URLSearchParams([
  ['state', 'READY'], ['state', 'DEPLOYING'], ['fields', 'id,name,region'],
]);
const answer = await fetch(`${GATEWAY}/sddcs?${query}`, { headers: { 'X-API-Key': KEY } });
if (!answer.ok) throw new Error((await answer.json()).detail);
console.log('age in seconds:', answer.headers.get('age'));
const { items } = await answer.json();
for (const sddc of items) console.log(sddc.name, sddc.region);
