// The docs as a reader's browser sees them: they must work with nothing but the gateway reachable,
// "Execute" must give a live answer, and a page can watch.
//
//   node --test docs.mjs
//
// GATEWAY     the program to start in demo mode (default: the debug build)
// BASE_URL    ask this gateway instead of starting one
// CHROMIUM    the browser (default: /usr/bin/chromium)
// SCREENSHOT  write a picture of the executed operation here, and of the pages of text beside it

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

const GATEWAY =
  process.env.GATEWAY ??
  fileURLToPath(new URL('../../target/debug/sddc-gateway', import.meta.url));
const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';
const START_DEADLINE_MS = 20_000;
const STOP_DEADLINE_MS = 15_000;

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

let gateway;
let base;
let browser;

before(async () => {
  base = process.env.BASE_URL?.replace(/\/+$/, '');
  if (!base) {
    gateway = await startDemo();
    base = gateway.url;
  }
  browser = await chromium.launch({ executablePath: CHROMIUM, args: CHROMIUM_FLAGS });
});

after(async () => {
  await browser?.close();
  await gateway?.stop();
});

test('the root leads to the documentation', async () => {
  await visit('/', async (page) => {
    assert.match(new URL(page.url()).pathname, /^\/docs(\/|$)/);
    await operation(page, '/sddcs').waitFor();
  });
});

test('an operation can be tried out and shows the live answer', async () => {
  await visit('/docs', async (page) => {
    assert.match(await page.title(), /sddc[- ]gateway/i);
    const before = await sddcNames();

    const block = operation(page, '/sddcs');
    await block.locator('.opblock-summary-control').click();
    await block.getByRole('button', { name: 'Try it out' }).click();
    await block.getByRole('button', { name: 'Execute' }).click();

    const live = block.locator('.live-responses-table');
    await live.waitFor();
    assert.equal((await live.locator('.response .response-col_status').innerText()).trim(), '200');
    const body = await live.locator('.response .highlight-code').innerText();
    if (process.env.SCREENSHOT) {
      await page.screenshot({ path: process.env.SCREENSHOT, fullPage: true });
    }

    // The demo's SDDCs come and go: what was there before and after must have been there between.
    const after = new Set(await sddcNames());
    const lasting = before.filter((name) => after.has(name));
    assert.notDeepEqual(lasting, [], 'GET /sddcs has no SDDC to show');
    for (const name of lasting) {
      assert.ok(body.includes(JSON.stringify(name)), `the page does not show ${name}:\n${body}`);
    }
    assert.ok(!body.includes('CANARY'), 'the page shows a secret of the simulated cloud');
  });
});

test('the whole document is read without an error', async () => {
  const { paths, components } = await (await fetch(`${base}/openapi.json`)).json();
  await visit('/docs', async (page) => {
    for (const path of Object.keys(paths)) await operation(page, path).waitFor();
    assert.equal(await page.locator('.errors-wrapper').count(), 0);
    // What operations refer to is shown where they are read.
    const block = operation(page, '/hosts');
    await block.locator('.opblock-summary-control').click();
    for (const name of ['availability_zone', 'limit', 'If-None-Match']) {
      await block.locator(`tr[data-param-name="${name}"]`).waitFor();
    }
    const { description } = components.parameters['Host.availability_zone'];
    assert.ok((await block.innerText()).includes(description.split('`')[0]));
    await block.locator('tr.response[data-code="503"]').getByText('Retry-After').waitFor();
  });
});

test('a list can be tried out with a filter', async () => {
  await visit('/docs', async (page) => {
    const block = operation(page, '/sddcs');
    await block.locator('.opblock-summary-control').click();
    await block.getByRole('button', { name: 'Try it out' }).click();
    const state = block.locator('tr[data-param-name="state"]');
    await state.getByRole('button', { name: /add/i }).click();
    await state.locator('input').fill('READY');
    await block.locator('tr[data-param-name="fields"] input').fill('name,state');
    const asked = page.waitForResponse((answer) => new URL(answer.url()).pathname === '/sddcs');
    await block.getByRole('button', { name: 'Execute' }).click();

    const answer = await asked;
    const query = new URL(answer.url()).searchParams;
    assert.deepEqual([query.getAll('state'), query.get('fields')], [['READY'], 'name,state']);
    assert.equal(answer.status(), 200);
    const { items } = await answer.json();
    assert.ok(items.length > 0);
    for (const sddc of items) {
      assert.deepEqual(Object.keys(sddc), ['name', 'state']);
      assert.equal(sddc.state, 'READY');
    }
    await block.locator('.live-responses-table').waitFor();
  });
});

test('a page can watch the SDDCs', async () => {
  await visit('/docs/guide', async (page) => {
    const { id, list } = await page.evaluate(async () => {
      const source = new EventSource('/sddcs/events');
      try {
        return await new Promise((resolve, reject) => {
          source.addEventListener('sync', (event) => {
            resolve({ id: event.lastEventId, list: JSON.parse(event.data) });
          });
          source.onerror = () => reject(new Error('the stream broke off'));
        });
      } finally {
        source.close();
      }
    });
    assert.match(id, /^W\/"[\w-]+"$/);
    assert.equal(list.completeness, 'complete');
    assert.ok(list.items.length > 0);
  });
});

test('the guide is found from the docs, and leads nowhere that is not there', async () => {
  await visit('/docs', async (page) => {
    await page.locator('.info').getByRole('link', { name: 'The guide' }).waitFor();
  });
  await visit('/docs/guide', async (page) => {
    const parts = await page.locator('h2').allInnerTexts();
    assert.ok(['Query', 'Watch', 'Monitor'].every((part) => parts.includes(part)), parts);
    await assertReadable(page);
    const links = await page.locator('a').evaluateAll((all) => all.map((link) => link.href));
    for (const link of new Set(links)) {
      assert.equal((await fetch(link)).status, 200, link);
    }
  });
});

test('the page that a problem leads to says cause and remedy', async () => {
  const problem = await (await fetch(`${base}/sddcs?state=REDY`)).json();
  await visit(problem.type, async (page) => {
    assert.equal(await page.locator('h1').innerText(), problem.title);
    assert.deepEqual(await page.locator('h2').allInnerTexts(), ['Cause', 'Remedy']);
    for (const text of await page.locator('p').allInnerTexts()) {
      assert.doesNotMatch(text, /[`<>]|&\w+;/, 'markup shows');
    }
    await page.getByText(problem.code, { exact: true }).waitFor();
    await assertReadable(page);
  });
});

test('a link to an operation opens it', async () => {
  let link;
  await visit('/docs', async (page) => {
    await operation(page, '/sddcs').locator('.opblock-summary-control').click();
    await page.waitForFunction(() => location.hash.length > 2);
    link = page.url();
  });
  await visit(link, async (page) => {
    await operation(page, '/sddcs').getByRole('button', { name: 'Try it out' }).waitFor();
  });
});

// Swagger UI reads both from the page's address unless told not to: a crafted link would then show a
// foreign API, and send what the reader types there to it.
for (const parameter of ['url', 'configUrl']) {
  test(`?${parameter}= cannot put a foreign API on the page`, async () => {
    await visit(`/docs?${parameter}=https://evil.example/x.json`, async (page) => {
      await operation(page, '/sddcs').waitFor();
      const { info } = await (await fetch(`${base}/openapi.json`)).json();
      assert.ok((await page.locator('.info .title').innerText()).includes(info.title));
    });
  });
}

/** Opens an address of the gateway, and holds whatever `look` does there to what every page must hold. */
async function visit(address, look) {
  const { origin } = new URL(base);
  const faults = [];
  const context = await browser.newContext();
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
      if (message.type() === 'error' && !SWAGGER_UI_NOISE.test(message.text())) {
        faults.push(`console: ${message.text()} (${message.location().url})`);
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
    await page.waitForLoadState('networkidle');
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

/** Styled, and no wider than a telephone. */
async function assertReadable(page) {
  await page.setViewportSize({ width: 375, height: 700 });
  const { width, font } = await page.evaluate(() => ({
    width: document.documentElement.scrollWidth,
    font: getComputedStyle(document.body).fontFamily,
  }));
  assert.ok(width <= 375, `the page is ${width} px wide`);
  assert.match(font, /system-ui/);
  if (process.env.SCREENSHOT) {
    const name = new URL(page.url()).pathname.replaceAll('/', '-');
    await page.screenshot({ path: process.env.SCREENSHOT.replace(/(\.\w+)$/, `${name}$1`), fullPage: true });
  }
}

function operation(page, path) {
  return page
    .locator('.opblock-get')
    .filter({ has: page.locator(`.opblock-summary-path[data-path="${path}"]`) });
}

async function sddcNames() {
  const answer = await fetch(`${base}/sddcs`);
  assert.equal(answer.status, 200, `GET /sddcs answers ${answer.status}`);
  return (await answer.json()).items.map((sddc) => sddc.name);
}

/** Starts the gateway on free ports and reads from its output which ones it got. */
async function startDemo() {
  const args = ['demo', '--listen', '127.0.0.1:0', '--ops-listen', '127.0.0.1:0'];
  const child = spawn(GATEWAY, args, { stdio: ['ignore', 'pipe', 'pipe'] });
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
        const match = stream === child.stdout && line.match(/(http:\/\/127\.0\.0\.1:\d+)\S*\/sddcs/);
        if (match) resolve({ url: match[1] });
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
