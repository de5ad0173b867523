// What an SDDC opens to: facts that the list has already, and its clusters, hosts and latest tasks.

import { Problem } from './client.js';
import { badge, count, element, moment, region, since, words } from './words.js';

const TASKS = 10;
const REFRESH_MS = 30_000;

export class SddcDetails {
  #client;
  #id;
  #facts = element('dl', '', { class: 'facts' });
  #parts;
  #closed = new AbortController();
  #timer;
  root = element('div', '', { class: 'opened-sddc' });

  constructor(client, sddc) {
    this.#client = client;
    this.#id = encodeURIComponent(sddc.id);
    this.#parts = [
      new Part('Clusters', 'clusters', CLUSTER_COLUMNS, sddc),
      new Part('Hosts', 'hosts', HOST_COLUMNS, sddc),
      new Part('Latest tasks', `tasks?limit=${TASKS}`, TASK_COLUMNS, sddc),
    ];
    this.root.append(this.#facts, ...this.#parts.map((part) => part.root));
    this.update(sddc);
    this.refresh();
    // Tasks come and go without a change of the SDDC.
    this.#timer = setInterval(() => document.hidden || this.refresh(), REFRESH_MS);
  }

  update(sddc) {
    const facts = element('div');
    for (const [name, value] of factsOf(sddc)) {
      if (value === null || value === '') continue;
      const fact = element('div');
      fact.append(element('dt', name), element('dd', value));
      facts.append(fact);
    }
    this.#facts.replaceChildren(...facts.childNodes);
  }

  refresh() {
    for (const part of this.#parts) part.read(this.#client, this.#id, this.#closed.signal);
  }

  close() {
    clearInterval(this.#timer);
    this.#closed.abort();
  }
}

function factsOf(sddc) {
  const { capacity } = sddc;
  return [
    ['Id', sddc.id],
    ['Organization', sddc.org_id],
    ['Region', sddc.region && region(sddc.region)],
    ['Zones', sddc.availability_zones?.join(', ') ?? null],
    ['Deployment', sddc.deployment_type && words(sddc.deployment_type).replace(/\baz\b/i, 'AZ')],
    ['Version', sddc.version],
    ['Capacity', capacity && `${capacity.cpu_cores} cores, ${capacity.memory_gib} GiB memory, ${capacity.storage_gib} GiB storage`],
    ['Created', sddc.created_at && `${moment(sddc.created_at)}${sddc.created_by ? ` by ${sddc.created_by}` : ''}`],
    ['Updated', sddc.updated_at && moment(sddc.updated_at)],
    ['Expires', sddc.expires_at && moment(sddc.expires_at)],
    ['vCenter', sddc.vcenter_url],
    ['NSX manager', sddc.nsx_manager_url],
    ['VPC network', sddc.vpc_cidr],
  ];
}

const CLUSTER_COLUMNS = [
  ['Name', (cluster) => cluster.name ?? cluster.id ?? '–'],
  ['State', (cluster) => badge(cluster.state)],
  ['Hosts', (cluster) => cluster.host_count ?? '–'],
  ['Instance type', (cluster) => cluster.instance_type ?? '–'],
  ['Zones', (cluster) => cluster.availability_zones?.join(', ') ?? '–'],
];
const HOST_COLUMNS = [
  ['Name', (host) => host.name ?? host.id ?? '–'],
  ['State', (host) => badge(host.state)],
  ['Instance type', (host) => host.instance_type ?? '–'],
  ['Zone', (host) => host.availability_zone ?? '–'],
  ['In this state for', (host) => since(host.state_updated_at)],
];
const TASK_COLUMNS = [
  ['Task', (task) => words(task.type)],
  ['Status', (task) => badge(task.status)],
  ['Progress', progress],
  ['Started', (task) => ago(task.started_at)],
  ['Error', (task) => task.error ?? '–'],
];

function progress(task) {
  if (task.ended_at !== null || task.progress_percent === null) return '–';
  const left = task.estimated_remaining_minutes;
  return `${task.progress_percent} %${left === null ? '' : `, ${count(left, 'minute')} left`}`;
}

function ago(time) {
  const shown = since(time);
  if (shown.nodeName === 'TIME') shown.append(' ago');
  return shown;
}

/** One list of an SDDC. */
class Part {
  #path;
  #columns;
  #title;
  #content = element('p', 'Loading…', { class: 'muted small' });
  #body = null;
  root = element('section');

  constructor(title, path, columns, sddc) {
    this.#path = path;
    this.#columns = columns;
    this.#title = title;
    this.root.setAttribute('aria-label', `${title} of ${sddc.name ?? sddc.id}`);
    this.root.append(element('h3', title), this.#content);
  }

  async read(client, id, signal) {
    try {
      const { body } = await client.get(`sddcs/${id}/${this.#path}`, { signal });
      // The same answer again is the same object.
      if (body !== this.#body) this.#show(body);
      this.#body = body;
    } catch (failure) {
      if (signal.aborted) return;
      this.#body = null;
      const why = failure instanceof Problem ? failure.detail || failure.message : 'the gateway cannot be reached';
      this.#replace(element('p', `Cannot be shown: ${why}`, { class: 'problem small' }));
    }
  }

  #show({ items, missing }) {
    if (items.length === 0) {
      const text = missing.length > 0 ? 'VMware Cloud does not report them.' : 'None.';
      this.#replace(element('p', text, { class: 'muted small' }));
      return;
    }
    const table = element('table');
    const head = element('tr');
    head.append(...this.#columns.map(([name]) => element('th', name, { scope: 'col' })));
    const rows = items.map((item) => {
      const row = element('tr');
      row.append(...this.#columns.map(([, value]) => {
        const cell = element('td');
        cell.append(value(item));
        return cell;
      }));
      return row;
    });
    table.append(element('thead'), element('tbody'));
    table.tHead.append(head);
    table.tBodies[0].append(...rows);
    // What is wider than the page is scrolled in its own frame, by keyboard too.
    const frame = element('div', '', { class: 'frame', role: 'region', tabindex: '0', 'aria-label': this.#title });
    frame.append(table);
    this.#replace(frame);
  }

  #replace(content) {
    this.#content.replaceWith(content);
    this.#content = content;
  }
}
