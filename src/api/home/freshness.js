// The line that says how fresh the table is and what is wrong upstream.

import { element, span } from './words.js';

/** Reasons of `Cache-Status` (its `detail`, without `stale-`) and of `missing`. */
const REASONS = {
  'upstream-unavailable': 'VMware Cloud cannot be reached.',
  'upstream-timeout': 'VMware Cloud does not answer in time.',
  'upstream-credentials-rejected': 'VMware Cloud refuses the gateway’s credentials.',
  'upstream-contract': 'VMware Cloud answers in a way that the gateway cannot use.',
  'refresh-pending': 'VMware Cloud is being read again.',
  'unconfirmed': 'VMware Cloud reports far less than before; the gateway waits until a second reading confirms it.',
  'only-if-cached': 'This is older than it should be.',
};
const MISSING = {
  'not-reported': 'VMware Cloud does not report its clusters or hosts',
  'unreadable': 'VMware Cloud reports something that cannot be read',
  'older-tasks': 'older tasks are left out',
};
/** What passes by itself. */
const PASSING = ['refresh-pending', 'unconfirmed'];

/** What is known of how fresh the list is, and how it is told. */
export class Freshness {
  #nodes;
  #announce;
  #readAt = null;
  #reason = null;
  #isStale = false;
  #missing = [];
  #failure = null;
  #link = { state: 'connecting', until: 0 };
  #told = '';

  constructor(nodes, announce) {
    this.#nodes = nodes;
    this.#announce = announce;
    setInterval(() => this.show(), 1000);
  }

  /** Forgets all: another key may see something else. */
  clear() {
    this.#readAt = null;
    this.#reason = null;
    this.#isStale = false;
    this.#missing = [];
    this.#failure = null;
    this.#link = { state: 'connecting', until: 0 };
    this.show();
  }

  /** The freshness headers of an answer, and what it lacks. */
  answered({ ageSeconds, isStale, reason }, missing) {
    this.#readAt = Date.now() - ageSeconds * 1000;
    this.#isStale = isStale;
    this.#reason = reason?.replace(/^stale-/, '') ?? null;
    this.#missing = missing;
    this.#failure = null;
    this.show();
  }

  /** The gateway answers with a failure, or not at all. */
  failed(sentence) {
    this.#failure = sentence;
    this.show();
  }

  /** `connecting`, `live`, `retrying` or `off`. */
  linked(state, inMs = 0) {
    this.#link = { state, until: Date.now() + inMs };
    this.show();
  }

  show() {
    const { tone, verdict } = this.#verdict();
    const { section, verdict: line, asOf, missing, live } = this.#nodes;
    section.dataset.tone = tone;
    put(line, verdict);
    put(asOf, this.#readAt === null ? '' : this.#asOf());
    missing.hidden = this.#missing.length === 0;
    const lines = this.#missing.map(lacking);
    if (lines.join('\n') !== [...missing.children].map((item) => item.textContent).join('\n')) {
      missing.replaceChildren(...lines.map((text) => element('li', text)));
    }
    live.dataset.state = this.#link.state;
    put(live, this.#linkInWords());
    if (verdict !== this.#told && this.#told !== '') this.#announce(verdict);
    this.#told = verdict;
  }

  #verdict() {
    if (this.#failure !== null) return { tone: 'bad', verdict: this.#failure };
    if (this.#readAt === null) return { tone: 'wait', verdict: 'Asking the gateway…' };
    if (this.#isStale) {
      const isPassing = PASSING.includes(this.#reason);
      const verdict = REASONS[this.#reason] ?? 'This is older than it should be.';
      return { tone: isPassing ? 'wait' : 'bad', verdict };
    }
    if (this.#reason === 'unconfirmed') return { tone: 'wait', verdict: REASONS.unconfirmed };
    if (this.#missing.length > 0) return { tone: 'wait', verdict: 'This is not everything.' };
    if (this.#reason === 'budget') {
      return { tone: 'good', verdict: 'Fresh. It has been read again as often as a minute allows.' };
    }
    return { tone: 'good', verdict: 'Fresh.' };
  }

  #asOf() {
    const age = span((Date.now() - this.#readAt) / 1000);
    return this.#isStale || this.#failure !== null
      ? `Shown is what VMware Cloud reported ${age} ago.`
      : `Read from VMware Cloud ${age} ago.`;
  }

  #linkInWords() {
    const { state, until } = this.#link;
    if (state === 'live') return 'Live';
    if (state === 'connecting') return 'Connecting…';
    if (state === 'off') return 'Not connected';
    const seconds = Math.ceil((until - Date.now()) / 1000);
    return seconds > 0 ? `Reconnecting in ${span(seconds)}` : 'Reconnecting…';
  }
}

function lacking({ org_id: org, sddc_id: sddc, reason }) {
  const whose = sddc ? `SDDC ${sddc}` : `Organization ${org}`;
  const why = MISSING[reason] ?? REASONS[reason]?.replace(/\.$/, '') ?? reason;
  return `${whose}: ${why}.`;
}

/** A text that stays the same is left alone: a selection in it stays, and nothing is read out again. */
function put(node, text) {
  if (node.textContent !== text) node.textContent = text;
}
