// The one place that speaks to the gateway, and the only one that ever holds the key: in memory, and
// from there in a header to this origin. It is in no address, no storage and no message.

/** Where the gateway is: this file is one folder below it, whatever prefix a proxy strips. */
const BASE = new URL('../', import.meta.url);

/** A failure that the gateway explained (RFC 9457), or that a proxy in between made up. */
export class Problem extends Error {
  constructor(response, document) {
    super(document.title || `Status ${response.status}`);
    this.status = response.status;
    this.code = /^[a-z-]+$/.test(document.code) ? document.code : null;
    this.detail = typeof document.detail === 'string' ? document.detail : '';
    this.requestId = typeof document.request_id === 'string' ? document.request_id : '';
    const seconds = Number(response.headers.get('retry-after'));
    this.retryAfterMs = seconds > 0 ? seconds * 1000 : 0;
  }

  /** The page that says cause and remedy. */
  get page() {
    return this.code ? new URL(`problems/${this.code}`, BASE).href : null;
  }
}

export class Client {
  #key = null;
  /** What was answered before, by path: asking again costs a 304. */
  #known = new Map();

  get hasKey() {
    return this.#key !== null;
  }

  /** Takes a key as it was pasted. False for what no header can carry. */
  useKey(text) {
    const key = text.trim().replace(/^bearer\s+/i, '');
    if (!/^[\x21-\x7e]+$/.test(key)) return false;
    this.forgetKey();
    this.#key = key;
    return true;
  }

  forgetKey() {
    this.#key = null;
    this.#known.clear();
  }

  /**
   * A document, and how old it is. `isForced`: VMware Cloud is read again for it.
   * Throws a Problem, or a TypeError if the gateway cannot be reached.
   */
  async get(path, { isForced = false, signal } = {}) {
    const known = this.#known.get(path);
    const headers = { 'Cache-Control': isForced ? 'no-cache' : DEFAULT_DIRECTIVE };
    if (known) headers['If-None-Match'] = known.etag;
    const key = this.#key;
    const response = await this.#fetch(path, headers, signal);
    const is304 = response.status === 304 && known;
    if (!is304 && !response.ok) throw await problemOf(response);
    const body = is304 ? known.body : await response.json();
    const etag = response.headers.get('etag');
    // An answer that was asked for with another key is not kept for this one.
    if (etag && key === this.#key) this.#known.set(path, { etag, body });
    return { body, ...freshnessOf(response.headers) };
  }

  /** An open stream. */
  async open(path, headers, signal) {
    const response = await this.#fetch(path, { ...headers, Accept: 'text/event-stream' }, signal);
    if (!response.ok) throw await problemOf(response);
    return response;
  }

  #fetch(path, headers, signal) {
    // A JWT is no gateway key. A key has a field of its own, so that a proxy's Basic still gets through.
    if (this.#key) {
      const isToken = this.#key.split('.').length === 3;
      if (isToken) headers.Authorization = `Bearer ${this.#key}`;
      else headers['X-API-Key'] = this.#key;
    }
    return fetch(new URL(path, BASE), {
      headers,
      signal,
      mode: 'same-origin',
      credentials: 'same-origin',
      redirect: 'error',
      cache: 'no-store',
      referrerPolicy: 'no-referrer',
    });
  }
}

/** Without a directive of ours `cache: 'no-store'` sends `no-cache`, which would have VMware Cloud read. */
const DEFAULT_DIRECTIVE = 'no-transform';

async function problemOf(response) {
  let document = {};
  if (response.headers.get('content-type')?.includes('json')) {
    document = (await response.json().catch(() => null)) ?? {};
  }
  return new Problem(response, document);
}

/** What the freshness headers say: `Age`, `Cache-Control` and `Cache-Status` (RFC 9211). */
function freshnessOf(headers) {
  const status = headers.get('cache-status') ?? '';
  const ttl = status.match(/;\s*ttl=(-?\d+)/);
  return {
    ageSeconds: Number(headers.get('age') ?? 0),
    isStale: (ttl !== null && Number(ttl[1]) < 0) || /;\s*fwd=stale\b/.test(status),
    reason: status.match(/;\s*detail=([a-z-]+)/)?.[1] ?? null,
  };
}
