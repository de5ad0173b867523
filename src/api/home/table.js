// The table of SDDCs: a row each, kept while it stays, so that focus and what is open stay too.

import { SddcDetails } from './details.js';
import { badge, element, region, since, words } from './words.js';

/** What a column is sorted by; `null` comes last. */
const SORT_KEYS = {
  name: (sddc) => sddc.name?.toLowerCase() ?? null,
  state: (sddc) => (sddc.state === null ? null : words(sddc.state)),
  region: (sddc) => sddc.region,
  hosts: (sddc) => sddc.host_count,
  version: (sddc) => sddc.version,
  // The youngest first.
  age: (sddc) => (sddc.created_at === null ? null : -Date.parse(sddc.created_at)),
};
const COLUMNS = 6;

export class SddcTable {
  #client;
  #body;
  #rows = new Map();
  #sort = { by: 'name', isDescending: false };

  constructor(client, body, headings, changed) {
    this.#client = client;
    this.#body = body;
    for (const heading of headings) {
      heading.querySelector('button').addEventListener('click', () => {
        const by = heading.dataset.sort;
        this.#sort = { by, isDescending: this.#sort.by === by && !this.#sort.isDescending };
        for (const other of headings) other.removeAttribute('aria-sort');
        heading.setAttribute('aria-sort', this.#sort.isDescending ? 'descending' : 'ascending');
        changed();
      });
    }
  }

  /** Shows these SDDCs, and of them those that fit the filter. Returns how many do. */
  show(sddcs, filter) {
    for (const [id, row] of this.#rows) {
      if (!sddcs.has(id)) {
        row.remove();
        this.#rows.delete(id);
      }
    }
    const wanted = filter.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    let next = this.#body.firstElementChild;
    for (const sddc of [...sddcs.values()].sort((one, other) => this.#compare(one, other))) {
      const row = this.#row(sddc);
      const fits = wanted.every((word) => row.text.includes(word));
      row.setHidden(!fits);
      shown += fits;
      // Moving a row would take the focus out of it: only what stands elsewhere is moved.
      if (row.line === next) next = row.details.nextElementSibling;
      else this.#body.insertBefore(row.line, next);
      if (row.details.previousElementSibling !== row.line) row.line.after(row.details);
    }
    return shown;
  }

  /** Marks what has just changed. */
  flash(id) {
    this.#rows.get(id)?.flash();
  }

  /** Reads the parts of those that are open again. */
  refresh(id) {
    this.#rows.get(id)?.refresh();
  }

  clear() {
    this.show(new Map(), '');
  }

  #row(sddc) {
    const row = this.#rows.get(sddc.id) ?? new SddcRow(this.#client, sddc.id);
    this.#rows.set(sddc.id, row);
    row.update(sddc);
    return row;
  }

  #compare(one, other) {
    const { by, isDescending } = this.#sort;
    const [left, right] = [SORT_KEYS[by](one), SORT_KEYS[by](other)];
    if (left === null || right === null) return (left === null) - (right === null) || byId(one, other);
    const order = typeof left === 'number' ? left - right : left.localeCompare(right, 'en', { numeric: true });
    return (isDescending ? -order : order) || byId(one, other);
  }
}

function byId(one, other) {
  return one.id < other.id ? -1 : 1;
}

class SddcRow {
  #client;
  #sddc = null;
  #opened = null;
  #button;
  #name = element('span');
  #regionBelow = element('span', '', { class: 'below muted small' });
  #cells;
  line = element('tr');
  details = element('tr', '', { class: 'details' });
  /** What the filter looks at. */
  text = '';

  constructor(client, id) {
    this.#client = client;
    this.details.id = `sddc-${id}`;
    this.details.hidden = true;
    this.#button = element('button', '', {
      type: 'button', class: 'open', 'aria-expanded': 'false', 'aria-controls': this.details.id,
    });
    this.#button.append(this.#name);
    this.#button.addEventListener('click', () => this.#toggle());
    // For the mouse the whole line opens; a selection of text does not.
    this.line.addEventListener('click', (event) => {
      if (!this.#button.contains(event.target) && getSelection().isCollapsed) this.#toggle();
    });
    const heading = element('th', '', { scope: 'row' });
    heading.append(this.#button, this.#regionBelow);
    const cell = (kind) => element('td', '', kind ? { class: kind } : {});
    this.#cells = {
      state: cell(), region: cell('wide'), hosts: cell('number'), version: cell('wide'), age: cell('wide'),
    };
    this.line.append(heading, ...Object.values(this.#cells));
  }

  update(sddc) {
    // The age is written again in any case.
    this.#cells.age.replaceChildren(since(sddc.created_at));
    if (sddc === this.#sddc) return;
    this.#sddc = sddc;
    this.#name.textContent = sddc.name ?? sddc.id;
    this.#regionBelow.textContent = region(sddc.region);
    this.#cells.state.replaceChildren(badge(sddc.state));
    this.#cells.region.textContent = region(sddc.region);
    this.#cells.hosts.replaceChildren(...hosts(sddc));
    this.#cells.version.textContent = sddc.version ?? '–';
    const searched = [sddc.name, sddc.id, sddc.state, words(sddc.state), sddc.region, region(sddc.region), sddc.version];
    this.text = searched.filter(Boolean).join('\n').toLowerCase();
    this.#opened?.update(sddc);
  }

  setHidden(isHidden) {
    this.line.hidden = isHidden;
    this.details.hidden = isHidden || this.#opened === null;
  }

  refresh() {
    this.#opened?.refresh();
  }

  flash() {
    this.line.classList.remove('flash');
    void this.line.offsetWidth; // restarts the animation
    this.line.classList.add('flash');
  }

  remove() {
    this.#close();
    this.line.remove();
    this.details.remove();
  }

  #toggle() {
    if (this.#opened) this.#close();
    else this.#open();
  }

  #open() {
    const cell = element('td', '', { colspan: COLUMNS });
    this.#opened = new SddcDetails(this.#client, this.#sddc);
    cell.append(this.#opened.root);
    this.details.replaceChildren(cell);
    this.details.hidden = false;
    this.line.classList.add('opened');
    this.#button.setAttribute('aria-expanded', 'true');
  }

  #close() {
    this.#opened?.close();
    this.#opened = null;
    this.details.hidden = true;
    this.details.replaceChildren();
    this.line.classList.remove('opened');
    this.#button.setAttribute('aria-expanded', 'false');
  }
}

function hosts({ host_count: all, hosts_ready: ready }) {
  if (all === null) return [element('span', '–', { title: 'VMware Cloud does not say' })];
  if (ready === null || ready === all) return [String(all)];
  return [String(all), element('span', ` (${ready} ready)`, { class: 'lacking' })];
}
