// An event stream read by fetch: the browser's EventSource cannot send a key, and gives up for good
// after any answer but 200.

import { Problem } from './client.js';

/** The gateway sends a comment every 15 s: after three of them have not come the line is dead. */
const SILENCE_MS = 45_000;
const MAX_DELAY_MS = 30_000;

/** Text of a stream to events, as the HTML standard says (section 9.2.6). */
export class EventParser {
  #rest = '';
  #data = [];
  #type = '';
  #id = '';
  retryMs = 3000;

  /** The events that this text completes. */
  *push(text) {
    // A chunk may end between CR and LF.
    const lines = (this.#rest + text).split(/\r\n|\n|\r(?!$)/);
    this.#rest = lines.pop();
    for (const line of lines) {
      if (line !== '') this.#take(line);
      else if (this.#data.length > 0) yield this.#event();
      else this.#type = '';
    }
  }

  #take(line) {
    const [, field, value] = line.match(/^([^:]*)(?:: ?)?(.*)$/s);
    if (field === 'data') this.#data.push(value);
    else if (field === 'event') this.#type = value;
    else if (field === 'id' && !value.includes('\0')) this.#id = value;
    else if (field === 'retry' && /^\d+$/.test(value)) this.retryMs = Number(value);
  }

  #event() {
    const event = { type: this.#type || 'message', data: this.#data.join('\n'), id: this.#id };
    this.#data = [];
    this.#type = '';
    return event;
  }
}

/**
 * Follows a path's events until it is stopped or refused; comes back with backoff where the last
 * connection ended. `on` is told of: event(type, data), connecting(), live(), retrying(ms),
 * refused(problem).
 */
export class EventStream {
  #client;
  #path;
  #on;
  #stop = null;
  #wake = () => {};
  #lastId = '';
  #retryMs = 3000;
  #failures = 0;

  constructor(client, path, on) {
    this.#client = client;
    this.#path = path;
    this.#on = on;
    const hurry = () => this.#wake();
    addEventListener('online', hurry);
    document.addEventListener('visibilitychange', () => document.hidden || hurry());
  }

  /** Begins from nothing. */
  start() {
    this.stop();
    this.#stop = new AbortController();
    this.#lastId = '';
    this.#failures = 0;
    this.#run(this.#stop.signal);
  }

  stop() {
    this.#stop?.abort();
    this.#wake();
  }

  async #run(stopped) {
    while (!stopped.aborted) {
      this.#on.connecting();
      const failure = await this.#follow(stopped);
      if (stopped.aborted) return;
      if (failure instanceof Problem && isFinal(failure.status)) {
        this.#on.refused(failure);
        return;
      }
      const backoff = Math.min(this.#retryMs * 2 ** this.#failures, MAX_DELAY_MS);
      // Others lost the same gateway at the same time.
      const delay = Math.max(backoff * (0.5 + Math.random() / 2), failure?.retryAfterMs ?? 0);
      this.#failures += 1;
      this.#on.retrying(delay);
      await this.#pause(delay);
    }
  }

  /** One connection. What ended it, if that was no orderly end. */
  async #follow(stopped) {
    const attempt = new AbortController();
    const abort = () => attempt.abort();
    stopped.addEventListener('abort', abort);
    let watchdog = setTimeout(abort, SILENCE_MS);
    try {
      const headers = this.#lastId ? { 'Last-Event-ID': this.#lastId } : {};
      const response = await this.#client.open(this.#path, headers, attempt.signal);
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      const parser = new EventParser();
      this.#on.live();
      for (;;) {
        const { value, done } = await reader.read();
        if (done || stopped.aborted) return null;
        clearTimeout(watchdog);
        watchdog = setTimeout(abort, SILENCE_MS);
        for (const { type, data, id } of parser.push(value)) {
          this.#failures = 0;
          this.#on.event(type, JSON.parse(data));
          // Only what has been taken in is never asked for again.
          if (id) this.#lastId = id;
        }
        this.#retryMs = parser.retryMs;
      }
    } catch (failure) {
      return failure;
    } finally {
      clearTimeout(watchdog);
      stopped.removeEventListener('abort', abort);
      attempt.abort();
    }
  }

  #pause(ms) {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

/** The same request would be refused again. */
function isFinal(status) {
  return status >= 400 && status < 500 && status !== 408 && status !== 429;
}
