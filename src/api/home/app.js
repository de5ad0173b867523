// The page: the stream of events keeps the list, a small question now and then tells how fresh it is.
//
//   EventStream ──► sddcs (by id) ──► SddcTable, chart
//   Client.get  ──► Freshness         (and the list, while there is no stream)

import { drawChart } from './chart.js';
import { Client, Problem } from './client.js';
import { Freshness } from './freshness.js';
import { EventStream } from './stream.js';
import { SddcTable } from './table.js';
import { count, words } from './words.js';

const POLL_MS = 15_000;
/** How long a stream may take to begin. */
const PATIENCE_MS = 3000;
/** As events come in bursts, what they change is drawn and told once. */
const ANNOUNCE_MS = 1000;
const MAX_ANNOUNCED = 3;
const LIST = 'sddcs?partial=allow';
/** Only the headers and what is missing are of interest. */
const HEADERS_ONLY = 'sddcs?partial=allow&fields=id&limit=1';

const node = (id) => document.getElementById(id);
const client = new Client();
const sddcs = new Map();
/** Whether a list has come; until then there is nothing to say of it. */
let isKnown = false;
let isLive = false;
let starting = 0;

const announce = announcer();
const freshness = new Freshness(
  { section: node('freshness'), verdict: node('verdict'), asOf: node('as-of'), missing: node('missing'), live: node('live') },
  announce,
);
const table = new SddcTable(client, node('rows'), [...document.querySelectorAll('th[data-sort]')], () => draw());
const stream = new EventStream(client, 'sddcs/events?partial=allow', {
  connecting: () => freshness.linked('connecting'),
  live() {
    isLive = true;
    freshness.linked('live');
    ask();
  },
  retrying(ms) {
    isLive = false;
    freshness.linked('retrying', ms);
    ask();
  },
  refused(problem) {
    isLive = false;
    freshness.linked('off');
    fail(problem);
  },
  event: (type, data) => EVENTS[type]?.(data),
});

const EVENTS = {
  // What was told before need not hold; the list follows.
  reset: () => {},
  sync: ({ items }) => take(items),
  added({ sddc }) {
    sddcs.set(sddc.id, sddc);
    changed(sddc, 'was added');
  },
  changed({ sddc, changed: fields }) {
    sddcs.set(sddc.id, sddc);
    changed(sddc, fields.includes('state') ? `is now ${words(sddc.state).toLowerCase()}` : null);
    table.refresh(sddc.id);
  },
  removed({ sddc }) {
    sddcs.delete(sddc.id);
    changed(sddc, 'was removed');
  },
  status: () => ask(),
};

/** Takes a whole list. */
function take(items) {
  sddcs.clear();
  for (const sddc of items) sddcs.set(sddc.id, sddc);
  isKnown = true;
  node('key').hidden = true;
  node('failure').hidden = true;
  node('content').hidden = false;
  node('refresh').hidden = false;
  node('forget').hidden = !client.hasKey;
  draw();
}

const pendingFlash = new Set();

function changed(sddc, what) {
  if (what) announce(`${sddc.name ?? sddc.id} ${what}.`);
  pendingFlash.add(sddc.id);
  draw();
  // What has changed is as new as it gets.
  askSoon();
}

let drawing = 0;
function draw() {
  drawing ||= requestAnimationFrame(() => {
    drawing = 0;
    const shown = table.show(sddcs, node('filter').value);
    for (const id of pendingFlash) table.flash(id);
    pendingFlash.clear();
    drawChart(node('chart'), sddcs.values());
    summarize(shown);
  });
}

function summarize(shown) {
  const all = [...sddcs.values()];
  const hosts = all.reduce((sum, sddc) => sum + (sddc.host_count ?? 0), 0);
  node('summary').textContent = isKnown ? `${count(all.length, 'SDDC')}, ${count(hosts, 'host')}` : '';
  const isFiltered = node('filter').value.trim() !== '';
  node('shown').textContent = isFiltered ? `${shown} of ${count(all.length, 'SDDC')}` : '';
  node('empty').hidden = shown > 0;
  node('empty').textContent = isFiltered ? 'No SDDC fits this filter.' : 'There is no SDDC that you may see.';
}

let asking = null;
let again = false;

/** Asks how fresh the list is; while there is no stream, for the list itself. */
async function ask({ isForced = false } = {}) {
  if (asking) {
    again = true;
    return;
  }
  asking = new AbortController();
  const { signal } = asking;
  const isWhole = !isLive || !isKnown;
  try {
    const answer = await client.get(isWhole ? LIST : HEADERS_ONLY, { isForced, signal });
    if (signal.aborted) return;
    freshness.answered(answer, answer.body.missing);
    if (isWhole && !(isLive && isKnown)) take(answer.body.items);
  } catch (failure) {
    if (!signal.aborted) fail(failure);
  } finally {
    if (!signal.aborted) asking = null;
  }
  if (again && !signal.aborted) {
    again = false;
    askSoon();
  }
}

let soon = 0;
function askSoon() {
  soon ||= setTimeout(() => {
    soon = 0;
    if (isKnown) ask();
  }, ANNOUNCE_MS);
}

/** Says what went wrong, beside the table if there is one. */
function fail(failure) {
  if (failure instanceof Problem && failure.status === 401) return askForKey(failure);
  if (failure instanceof Problem && failure.status === 403) return showFailure(failure);
  const sentence = failureInWords(failure);
  freshness.failed(sentence);
  if (!isKnown) showFailure(failure);
}

function failureInWords(failure) {
  if (!(failure instanceof Problem)) return 'The gateway cannot be reached.';
  if (failure.status === 429) return 'This key’s rate limit is used up; the page asks again later.';
  return `${failure.message}.`.replace(/\.\.$/, '.');
}

function showFailure(failure) {
  const isProblem = failure instanceof Problem;
  const isForbidden = isProblem && failure.status === 403;
  if (isForbidden) forgetData();
  node('failure-title').textContent = isProblem ? failure.message : 'The gateway cannot be reached';
  node('failure-detail').textContent = isProblem
    ? sentence(failure.detail)
    : 'It does not answer, or something in between does not let the request through.';
  const page = isProblem ? failure.page : null;
  node('failure-page').hidden = page === null;
  if (page) node('failure-page').href = page;
  node('failure-request').textContent = failure.requestId ? `Request ${failure.requestId}` : '';
  node('failure-key').hidden = !client.hasKey;
  node('failure').hidden = false;
  announce(node('failure-title').textContent);
  freshness.failed(isForbidden ? 'Nothing can be shown with this key.' : failureInWords(failure));
}

function sentence(text) {
  return text === '' ? '' : `${text[0].toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? '' : '.'}`;
}

function askForKey(problem) {
  const wasRefused = client.hasKey;
  halt();
  client.forgetKey();
  forgetData();
  const said = node('key-problem');
  said.hidden = !wasRefused;
  said.textContent = wasRefused ? `This key is not accepted. ${sentence(problem?.detail ?? '')}` : '';
  freshness.failed(wasRefused ? 'The key is not accepted.' : 'The gateway asks for a key.');
  freshness.linked('off');
  node('freshness').dataset.tone = 'wait';
  node('key').hidden = false;
  node('key-input').focus();
}

/** What one key has shown is not left on the page of another. */
function forgetData() {
  sddcs.clear();
  table.clear();
  isKnown = false;
  freshness.clear();
  node('summary').textContent = '';
  for (const id of ['content', 'refresh', 'forget', 'failure', 'key']) node(id).hidden = true;
}

/** Ends every question that is under way. */
function halt() {
  stream.stop();
  isLive = false;
  clearTimeout(starting);
  asking?.abort();
  asking = null;
  again = false;
}

function begin() {
  halt();
  forgetData();
  stream.start();
  // If something in between holds the stream back, the list comes by itself.
  starting = setTimeout(ask, PATIENCE_MS);
}

/** Reads changes out, the same burst in one go. */
function announcer() {
  let waiting = [];
  let timer = 0;
  return (text) => {
    waiting.push(text);
    timer ||= setTimeout(() => {
      const more = waiting.length - MAX_ANNOUNCED;
      const told = waiting.slice(0, MAX_ANNOUNCED).join(' ');
      node('announcer').textContent = more > 0 ? `${told} And ${count(more, 'other change')}.` : told;
      waiting = [];
      timer = 0;
    }, ANNOUNCE_MS);
  };
}

node('key-form').addEventListener('submit', (event) => {
  event.preventDefault();
  const input = node('key-input');
  const isUsable = client.useKey(input.value);
  input.value = '';
  if (isUsable) {
    begin();
  } else {
    node('key-problem').hidden = false;
    node('key-problem').textContent = 'This is no key: it has signs that no key has.';
  }
});
node('forget').addEventListener('click', () => {
  halt();
  client.forgetKey();
  begin();
});
node('failure-retry').addEventListener('click', begin);
node('failure-key').addEventListener('click', () => {
  client.forgetKey();
  askForKey(null);
});
node('filter').addEventListener('input', draw);
node('filter').addEventListener('keydown', (event) => {
  if (event.key !== 'Escape') return;
  event.target.value = '';
  draw();
});
node('refresh').addEventListener('click', async (event) => {
  const button = event.currentTarget;
  button.disabled = true;
  await ask({ isForced: true });
  button.disabled = false;
});
setInterval(() => {
  if (!document.hidden && node('key').hidden) ask();
}, POLL_MS);
// Ages are written again.
setInterval(draw, 60_000);

begin();
