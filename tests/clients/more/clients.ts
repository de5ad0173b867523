// What programs do with the clients and types that @hey-api/openapi-ts, orval and kubb make.
import { listSddcs as heyListSddcs, showCaller, showSddc } from './generated/hey';
import { client } from './generated/hey/client.gen';
import type { ListSddcsQueryParams, PageSddc } from './generated/kubb';
import { listSddcs as orvalListSddcs } from './generated/orval';

declare const process: { env: Partial<Record<'BASE_URL' | 'KEY', string>> };

function assert(holds: boolean, what: string): asserts holds {
  if (!holds) throw new Error(what);
}

const baseUrl = process.env.BASE_URL ?? '';
const headers = { 'X-API-Key': process.env.KEY ?? '' };

async function hey(): Promise<void> {
  client.setConfig({ baseUrl, headers });
  const list = await heyListSddcs({
    query: {
      state: ['READY', 'FAILED'],
      provider__not: ['ZEROCLOUD'],
      created_at__gte: '2000-01-01T00:00:00Z',
      fields: ['id', 'name'],
      include: ['clusters'],
      sort: '-name',
      limit: 2,
    },
  });
  const first = list.data?.items[0];
  assert(list.data?.items.length === 2 && first?.id !== undefined, 'a page');
  const one = await showSddc({ path: { sddc_id: first.id } });
  assert(one.data?.id === first.id, 'the same SDDC');
  const lost = await showSddc({ path: { sddc_id: 'none' } });
  assert(lost.error?.code === 'sddc-not-found', 'a problem');
  assert((await showCaller()).data?.name === 'ci', 'me');
}

async function orval(): Promise<void> {
  const query = { state: ['READY', 'FAILED'], fields: ['id', 'name'], host_count__lte: 1000 } as const;
  const list = await orvalListSddcs({ ...query, state: [...query.state], fields: [...query.fields] }, { headers });
  assert(list.status === 200 && list.data.items.length > 2, 'a list');
  const wrong = await orvalListSddcs({ cursor: 'none' }, { headers });
  assert(wrong.status === 400 && wrong.data.errors?.[0]?.parameter === 'cursor', 'a problem');
}

async function kubb(): Promise<void> {
  const query: ListSddcsQueryParams = { created_at__lte: '2100-01-01T00:00:00Z', limit: 1 };
  const search = new URLSearchParams(Object.entries(query).map(([name, value]) => [name, String(value)]));
  const answer = await fetch(`${baseUrl}/sddcs?${search}`, { headers });
  const page: PageSddc = await answer.json();
  assert(page.items.length === 1 && page.completeness === 'complete', 'a page');
}

async function main(): Promise<void> {
  await hey();
  await orval();
  await kubb();
}

void main();
