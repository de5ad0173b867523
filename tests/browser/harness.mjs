// What the tests of all pages need: programs that are started and stopped, a browser, and what every
// page must hold, whatever is done on it.
//
// GATEWAY     the program to start (default: the debug build)
// CHROMIUM    the browser (default: /usr/bin/chromium)
// SCREENSHOT  a folder for pictures of the pages

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

const GATEWAY =
  process.env.GATEWAY ??
  fileURLToPath(new URL('../../target/debug/sddc-gateway', import.meta.url));
const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';
const START_DEADLINE_MS = 20_000;
const STOP_DEADLINE_MS = 15_000;
const AXE = createRequire(import.meta.url).resolve('axe-core/axe.min.js');

// Chromium's own errands (updates, sync) would otherwise wait for a network that tests do not have.
const CHROMIUM_FLAGS = [
  '--no-sandbox', // the sandbox refuses to run as root
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

// Swagger UI says this on every link to an operation whose id has a `_`, whether or not all is well.
const SWAGGER_UI_NOISE = /^Deprecated: escaping deep link whitespace/;
// The browser says this of each failure that a test provokes.
const REFUSAL_NOISE = /^Failed to load resource: the server responded with a status of (401|403|429|50\d)/;

let browser;

/** The one browser of a test file. */
export async function openBrowser() {
  browser = await chromium.launch({ executablePath: CHROMIUM, args: CHROMIUM_FLAGS });
}

export async function closeBrowser() {
  await browser?.close();
}

/**
 * Opens an address, and holds whatever `look` does there to what every page must hold. `options` are
 * those of a browser context; `mayBeRefused`: failures of requests are part of the test.
 */
export async function visit(base, address, look, { mayBeRefused = false, ...options } = {}) {
  const { origin } = new URL(base);
  const faults = [];
  const context = await browser.newContext(options);
  try {
    const page = await context.newPage();
    page.setDefaultTimeout(15_000);
    page.on('request', (request) => {
      const url = new URL(request.url());
      // `data:` and `blob:` stay inside the page.
      if (url.protocol.startsWith('http') && url.origin !== origin) {
        faults.push(`a request left the origin: ${url}`);
      }
    });
    page.on('websocket', (socket) => faults.push(`a web socket was opened: ${socket.url()}`));
    page.on('pageerror', (error) => faults.push(`uncaught: ${error.message}`));
    page.on('console', (message) => {
      const text = message.text();
      const isNoise = SWAGGER_UI_NOISE.test(text) || (mayBeRefused && REFUSAL_NOISE.test(text));
      if (message.type() === 'error' && !isNoise) {
        faults.push(`console: ${text} (${message.location().url})`);
      }
    });
    // Not every violation reaches the console.
    await page.exposeBinding('reportViolation', (_source, text) => faults.push(`CSP: ${text}`));
    await page.addInitScript(() => {
      document.addEventListener('securitypolicyviolation', (event) => {
        window.reportViolation(`${event.violatedDirective} refused ${event.blockedURI}`);
      });
    });

    const answer = await page.goto(new URL(address, base).href, { waitUntil: 'load' });
    assert.equal(answer.status(), 200, `${address} answers ${answer.status()}`);
    await look(page);
  } catch (error) {
    // What went wrong in the page usually explains why an element never came.
    if (faults.length > 0) {
      error.message += `\nseen in the page:\n  ${faults.join('\n  ')}`;
    }
    throw error;
  } finally {
    await context.close();
  }
  assert.deepEqual(faults, []);
}

/** Nothing that axe finds, in the page as it is now. */
export async function assertAccessible(page) {
  // Playwright evaluates it past the page's policy, which holds for the page's own scripts.
  await page.evaluate(await readFile(AXE, 'utf8'));
  const violations = await page.evaluate(async () => {
    const { violations } = await window.axe.run(document);
    return violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => `${node.html} (${node.failureSummary})`).join('; ')}`);
  });
  assert.deepEqual(violations, []);
}

/** No wider than the window. */
export async function assertFits(page) {
  const { width, wanted } = await page.evaluate(() => ({
    width: document.documentElement.clientWidth,
    wanted: document.documentElement.scrollWidth,
  }));
  assert.ok(wanted <= width, `the page is ${wanted} px wide in a window of ${width} px`);
}

export async function screenshot(page, name) {
  if (process.env.SCREENSHOT) {
    await page.screenshot({ path: `${process.env.SCREENSHOT}/${name}.png`, fullPage: true });
  }
}

/** A caller's key, and what the configuration has of it. */
export function makeKey() {
  const key = `sgw_${randomBytes(32).toString('base64url')}`;
  return { key, digest: createHash('sha256').update(key).digest('hex') };
}

/** The gateway and a simulated cloud in one process, open to all unless an option says otherwise. */
export function startDemo(...options) {
  const args = ['demo', '--listen', '127.0.0.1:0', '--ops-listen', '127.0.0.1:0', '--control-listen', '127.0.0.1:0'];
  return start([...args, ...options], {}, /(http:\/\/127\.0\.0\.1:\d+)\S*\/sddcs/);
}

/** A simulated cloud alone: its control endpoints are below `url`. */
export function startCloud(...options) {
  const args = ['simulator', '--listen', '127.0.0.1:0', ...options];
  return start(args, {}, /Simulated CSP and VMC at (http:\S+)/);
}

/** A gateway in front of it, with these settings beside those that it needs. */
export function startGateway(cloud, settings) {
  const environment = {
    SDDC_GATEWAY_API__LISTEN: '127.0.0.1:0',
    SDDC_GATEWAY_OPS__LISTEN: '127.0.0.1:0',
    SDDC_GATEWAY_CSP__URL: cloud.url,
    SDDC_GATEWAY_VMC__URL: cloud.url,
    SDDC_GATEWAY_CSP__CLIENT_ID: 'demo-app',
    SDDC_GATEWAY_CSP__CLIENT_SECRET: 'demo-secret',
    SDDC_GATEWAY_API__DRAIN_DELAY: '0s',
    ...settings,
  };
  return start(['serve'], environment, /"api":"(127\.0\.0\.1:\d+)"/);
}

/** Starts the program on free ports and reads from its output which ones it got. */
async function start(args, environment, pattern) {
  const child = spawn(GATEWAY, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...environment },
  });
  // A test run that dies half-way must not leave a gateway behind.
  process.once('exit', () => child.kill('SIGKILL'));
  const said = [];
  const gone = new Promise((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('exit', (code, signal) => resolve(`it ended with ${signal ?? `exit code ${code}`}`));
  });

  const found = new Promise((resolve) => {
    for (const stream of [child.stdout, child.stderr]) {
      // Both are read to the end: a full pipe would stop the gateway.
      createInterface({ input: stream }).on('line', (line) => {
        said.push(line);
        const match = line.match(pattern);
        if (match) resolve({ url: match[1].replace(/^(?!http)/, 'http://') });
      });
    }
  });
  let timer;
  const late = new Promise((resolve) => {
    timer = setTimeout(resolve, START_DEADLINE_MS, { why: `no URL in ${START_DEADLINE_MS} ms` });
  });
  const outcome = await Promise.race([found, late, gone.then((why) => ({ why }))]);
  clearTimeout(timer);
  if (!outcome.url) {
    child.kill('SIGKILL');
    const words = said.join('\n') || '(nothing)';
    throw new Error(`${GATEWAY} ${args.join(' ')}: ${outcome.why}. It said:\n${words}`);
  }

  return {
    url: outcome.url,
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) {
        throw new Error(`the gateway did not live through the test: ${await gone}\n${said.join('\n')}`);
      }
      const ended = once(child, 'exit');
      child.kill('SIGINT'); // unlike SIGTERM it skips the drain delay
      const overdue = setTimeout(() => child.kill('SIGKILL'), STOP_DEADLINE_MS);
      const [code, signal] = await ended;
      clearTimeout(overdue);
      assert.equal(signal ?? code, 0, `the gateway did not stop cleanly:\n${said.join('\n')}`);
    },
  };
}
