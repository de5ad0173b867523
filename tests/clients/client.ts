// What a TypeScript program does with the types that openapi-typescript makes of the document.
import createClient from 'openapi-fetch';
import type { components, paths } from './generated/api.js';

declare const process: { env: Partial<Record<'BASE_URL' | 'KEY', string>> };

function assert(holds: boolean, what: string): asserts holds {
  if (!holds) throw new Error(what);
}

const baseUrl = process.env.BASE_URL;
const key = process.env.KEY;
assert(baseUrl !== undefined && key !== undefined, 'BASE_URL and KEY say where and as whom to ask');
const client = createClient<paths>({ baseUrl, headers: { 'X-API-Key': key } });

// A list, with a parameter of each kind.
const list = await client.GET('/sddcs', {
  params: {
    query: {
      state: ['READY', 'FAILED'],
      provider__not: ['ZEROCLOUD'],
      created_at__gte: '2000-01-01T00:00:00Z',
      host_count__lte: 1000,
      include: ['clusters'],
      sort: '-name',
      limit: 2,
    },
    header: { 'Cache-Control': 'max-age=60' },
  },
});
assert(list.data !== undefined, `a list, not ${JSON.stringify(list.error)}`);
const [first] = list.data.items;
assert(first !== undefined && first.state != null && Array.isArray(first.clusters), 'an SDDC');
assert(typeof list.data.next_cursor === 'string', 'a second page');
const next = await client.GET('/sddcs', {
  params: {
    query: {
      state: ['READY', 'FAILED'],
      provider__not: ['ZEROCLOUD'],
      created_at__gte: '2000-01-01T00:00:00Z',
      host_count__lte: 1000,
      include: ['clusters'],
      sort: '-name',
      limit: 2,
      cursor: list.data.next_cursor,
    },
  },
});
assert(next.data !== undefined && next.data.items[0]?.id !== first.id, 'another page');

// A part of each document: what was not asked for is not there, and its type says so.
const part = await client.GET('/sddcs', { params: { query: { fields: ['id', 'name'] } } });
assert(part.data?.items.every((sddc) => sddc.id !== undefined && sddc.state === undefined) === true, 'parts');

// One document, and 304 for who has it.
const id = first.id;
assert(id !== undefined, 'an id');
const one = await client.GET('/sddcs/{sddc_id}', { params: { path: { sddc_id: id } } });
assert(one.data?.id === id, 'the same SDDC');
const tag = one.response.headers.get('etag');
assert(tag !== null, 'a tag');
const same = await client.GET('/sddcs/{sddc_id}', {
  params: { path: { sddc_id: id }, query: { wait: '0s' }, header: { 'If-None-Match': tag } },
});
assert(same.response.status === 304, 'unchanged');

// A failure is a problem, whose code a program branches on.
const lost = await client.GET('/sddcs/{sddc_id}', { params: { path: { sddc_id: 'none' } } });
const problem: components['schemas']['Problem'] | undefined = lost.error;
assert(problem?.code === 'sddc-not-found' && !problem.retryable, 'a problem');

const me = await client.GET('/whoami');
assert(me.data?.name === 'ci' && me.data.scopes.includes('sddc:read') && me.data.rate === null, 'me');
const targets = await client.GET('/sd/prometheus', { params: { query: { target: 'vcenter' } } });
assert(targets.data?.[0]?.targets[0]?.endsWith(':443') === true, 'a target');
