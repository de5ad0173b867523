/** The events of one connection: call again with the last id when it ends. */
async function* events(lastId) {
  const headers = { 'X-API-Key': KEY, ...(lastId && { 'Last-Event-ID': lastId }) };
  const answer = await fetch(`${GATEWAY}/sddcs/events`, { headers });
  if (!answer.ok) throw new Error((await answer.json()).detail);
  let event = {};
  let rest = '';
  for await (const text of answer.body.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split('\n');
    rest = lines.pop();
    for (const line of lines) {
      if (line === '' && event.data) {
        yield { type: event.event, data: JSON.parse(event.data), id: event.id };
        event = {};
      } else if (line !== '' && !line.startsWith(':')) {
        const at = line.indexOf(': ');
        event[line.slice(0, at)] = line.slice(at + 2);
      }
    }
  }
}
