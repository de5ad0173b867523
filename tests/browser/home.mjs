// The page for people at `/`, in front of a simulated cloud that tests change while they look.

import assert from 'node:assert/strict';
import { createServer, request } from 'node:http';
import { after, before, beforeEach, test } from 'node:test';
import * as harness from './harness.mjs';
import { assertAccessible, assertFits, screenshot } from './harness.mjs';

const SDDCS = 12;
const CALLER = harness.makeKey();
/** Soon, so that a test need not wait for what a minute would bring. */
const SOON = { SDDC_GATEWAY_INVENTORY__POLL: '1s', SDDC_GATEWAY_INVENTORY__FRESH: '2s' };

let cloud;
/** Asks for no key. */
let open;
/** Asks for one. */
let locked;

before(async () => {
  cloud = await harness.startCloud('--sddcs', String(SDDCS));
  open = await harness.startGateway(cloud, { ...SOON, SDDC_GATEWAY_ACCESS__OPEN: 'true' });
  locked = await harness.startGateway(cloud, { ...SOON, SDDC_GATEWAY_ACCESS__KEYS: `me:${CALLER.digest}` });
  await harness.openBrowser();
});

after(async () => {
  await harness.closeBrowser();
  for (const program of [open, locked, cloud]) await program?.stop();
});

beforeEach(() => control('DELETE', 'faults'));

test('the SDDCs are shown with what VMware Cloud says of them', async () => {
  const { items } = await (await fetch(`${open.url}/sddcs`)).json();
  await harness.visit(open.url, '/', async (page) => {
    await rows(page).nth(items.length - 1).waitFor();
    for (const sddc of items) {
      const row = rowOf(page, sddc.name);
      const text = await row.innerText();
      const state = { READY: 'Ready', DEPLOYING: 'Deploying', FAILED: 'Failed' }[sddc.state];
      assert.ok(text.includes(state), `${state}: ${text}`);
      if (sddc.region) assert.ok(text.includes(sddc.region.toLowerCase().replaceAll('_', '-')), text);
      if (sddc.version) assert.ok(text.includes(sddc.version), text);
      if (sddc.host_count !== null) assert.ok(text.includes(String(sddc.host_count)), text);
    }
    const hosts = items.reduce((sum, sddc) => sum + (sddc.host_count ?? 0), 0);
    assert.equal(await page.locator('#summary').innerText(), `${items.length} SDDCs, ${hosts} hosts`);
    await page.getByText('Fresh.', { exact: true }).waitFor();
    await page.getByText('Live', { exact: true }).waitFor();
    const chart = await page.getByRole('img', { name: /^Hosts per region/ }).getAttribute('aria-label');
    for (const sddc of items.filter((it) => it.host_count > 0)) {
      assert.ok(chart.includes(sddc.region.toLowerCase().replaceAll('_', '-')), chart);
    }
  });
});

test('an SDDC that is added, changed and removed is so on the page at once', async () => {
  await harness.visit(open.url, '/', async (page) => {
    await rows(page).first().waitFor();
    const { id } = await control('POST', 'sddcs', { name: 'new-<b>bold</b>-01' });
    // VMware's texts are text.
    const row = rowOf(page, 'new-<b>bold</b>-01');
    await row.waitFor();
    assert.equal(await row.locator('b').count(), 0);
    await page.locator('#announcer', { hasText: 'new-<b>bold</b>-01 was added.' }).waitFor({ state: 'attached' });
    await control('PATCH', `sddcs/${id}`, { sddc_state: 'FAILED' });
    await row.getByText('Failed').waitFor();
    await control('DELETE', `sddcs/${id}`);
    await row.waitFor({ state: 'detached' });
  });
});

test('the filter narrows as one types', async () => {
  const { items } = await (await fetch(`${open.url}/sddcs`)).json();
  await harness.visit(open.url, '/', async (page) => {
    await rows(page).nth(items.length - 1).waitFor();
    await page.getByLabel('Filter').pressSequentially('prod eu-central');
    const fitting = items.filter((it) => it.name.includes('prod') && it.region === 'EU_CENTRAL_1');
    assert.ok(fitting.length > 0);
    await page.getByText(`${fitting.length} of ${items.length} SDDCs`).waitFor();
    assert.equal(await rows(page).count(), fitting.length);
    await page.getByLabel('Filter').fill('no such thing');
    await page.getByText('No SDDC fits this filter.').waitFor();
    await page.getByLabel('Filter').press('Escape');
    await rows(page).nth(items.length - 1).waitFor();
  });
});

test('columns sort both ways, with what is not known last', async () => {
  await harness.visit(open.url, '/', async (page) => {
    await rows(page).nth(SDDCS - 1).waitFor();
    const heading = page.getByRole('columnheader', { name: 'Hosts' });
    const hosts = async () => (await rows(page).locator('td.number').allInnerTexts()).map((text) => parseInt(text, 10));
    for (const [direction, sign] of [['ascending', 1], ['descending', -1]]) {
      await heading.getByRole('button').click();
      await page.locator(`th[aria-sort="${direction}"]`, { hasText: 'Hosts' }).waitFor();
      await page.evaluate(() => new Promise(requestAnimationFrame));
      const shown = await hosts();
      const known = shown.filter((count) => !Number.isNaN(count));
      assert.deepEqual(known, known.toSorted((one, other) => sign * (one - other)));
      assert.ok(shown.slice(known.length).every(Number.isNaN));
    }
  });
});

test('a row is opened and closed by keyboard, and shows clusters, hosts and tasks', async () => {
  const { items } = await (await fetch(`${open.url}/sddcs?state=READY&sort=-host_count&limit=1`)).json();
  const [sddc] = items;
  const tasks = await (await fetch(`${open.url}/sddcs/${sddc.id}/tasks`)).json();
  await harness.visit(open.url, '/', async (page) => {
    await rows(page).first().waitFor();
    const button = page.getByRole('button', { name: sddc.name });
    await page.getByLabel('Filter').focus();
    // To the headings, then to the rows above it.
    for (let at = 0; at < 100 && !(await isFocused(button)); at += 1) await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    assert.equal(await button.getAttribute('aria-expanded'), 'true');
    const part = (name) => page.getByRole('region', { name: `${name} of ${sddc.name}` });
    await part('Clusters').locator('tbody tr').nth(sddc.cluster_count - 1).waitFor();
    await part('Hosts').locator('tbody tr').nth(sddc.host_count - 1).waitFor();
    if (tasks.items.length > 0) await part('Latest tasks').locator('tbody tr').first().waitFor();
    await page.getByText(sddc.id).waitFor();
    // What is open stays open, and keeps the focus, when another SDDC comes.
    const { id } = await control('POST', 'sddcs', { name: 'aaa-first-01' });
    await rowOf(page, 'aaa-first-01').waitFor();
    assert.ok(await isFocused(button));
    assert.equal(await button.getAttribute('aria-expanded'), 'true');
    await control('DELETE', `sddcs/${id}`);
    // The tests after this one count the rows.
    await rowOf(page, 'aaa-first-01').waitFor({ state: 'detached' });
    await page.keyboard.press('Space');
    assert.equal(await button.getAttribute('aria-expanded'), 'false');
    await page.getByText(sddc.id).waitFor({ state: 'detached' });
  });
});

test('an outage of VMware Cloud shows, the table stays, and its end shows', async () => {
  await harness.visit(open.url, '/', async (page) => {
    await rows(page).nth(SDDCS - 1).waitFor();
    await control('POST', 'faults', { target: 'vmc', kind: 'status', status: 503 });
    const outage = page.getByText('VMware Cloud cannot be reached.').first();
    // Where the read that the page joins is being tried again when the page has waited long enough, it is told
    // later how that ended: who wants to know reads again.
    await outage.waitFor({ timeout: 5000 }).catch(() => page.getByRole('button', { name: 'Read again' }).click());
    await outage.waitFor();
    await page.getByText(/Shown is what VMware Cloud reported .* ago\./).waitFor();
    assert.equal(await rows(page).count(), SDDCS);
    await screenshot(page, 'home-outage');
    await control('DELETE', 'faults');
    await page.getByRole('button', { name: 'Read again' }).click();
    await page.getByText('Fresh.', { exact: false }).waitFor({ timeout: 90_000 });
  });
});

test('a gateway that has nothing to show says why, and shows it when it comes', async () => {
  await control('POST', 'faults', { target: 'vmc', kind: 'status', status: 503 });
  const cold = await harness.startGateway(cloud, { ...SOON, SDDC_GATEWAY_ACCESS__OPEN: 'true' });
  try {
    await harness.visit(cold.url, '/', async (page) => {
      await page.locator('#failure-title').waitFor();
      await page.getByRole('link', { name: 'Cause and remedy' }).waitFor();
      await control('DELETE', 'faults');
      await rows(page).nth(SDDCS - 1).waitFor({ timeout: 60_000 });
      assert.equal(await page.locator('#failure').isVisible(), false);
    }, { mayBeRefused: true });
  } finally {
    await cold.stop();
  }
});

test('a key is asked for once, kept in memory only, and sent in a header to the gateway alone', async () => {
  await harness.visit(locked.url, '/', async (page) => {
    await page.getByRole('heading', { name: 'A key is needed' }).waitFor();
    const sent = [];
    page.on('request', (asked) => sent.push(asked));
    assert.equal(await page.locator('#key-problem').isVisible(), false);
    const field = page.getByLabel(/Your caller key/);
    assert.ok(await isFocused(field));
    await field.fill(CALLER.key);
    await page.keyboard.press('Enter');
    await rows(page).nth(SDDCS - 1).waitFor();
    await page.getByText('Live', { exact: true }).waitFor();
    await page.getByRole('button', { name: /-01$/ }).first().click();
    await page.getByRole('region', { name: /^Clusters of/ }).waitFor();

    assert.equal(await field.inputValue(), '');
    const traces = await page.evaluate(async () => JSON.stringify([
      location.href, document.cookie, { ...localStorage }, { ...sessionStorage }, history.state,
      await indexedDB.databases(), await caches?.keys?.(), document.documentElement.outerHTML,
    ]));
    assert.ok(!traces.includes(CALLER.key), 'the key is kept somewhere');
    assert.ok(sent.length > 3);
    for (const asked of sent) {
      assert.ok(!asked.url().includes(CALLER.key));
      assert.equal(new URL(asked.url()).origin, locked.url);
      const headers = await asked.allHeaders();
      assert.equal(headers['x-api-key'], CALLER.key, asked.url());
      assert.ok(!Object.entries(headers).some(([name, value]) => name !== 'x-api-key' && value.includes(CALLER.key)));
    }
    // A reload forgets it.
    await page.reload();
    await page.getByRole('heading', { name: 'A key is needed' }).waitFor();
  }, { mayBeRefused: true });
});

test('a wrong key is told, and nothing of the one before it stays', async () => {
  await harness.visit(locked.url, '/', async (page) => {
    const field = page.getByLabel(/Your caller key/);
    for (const wrong of [harness.makeKey().key, 'kein schlüssel']) {
      await field.fill(wrong);
      await page.getByRole('button', { name: 'Show the SDDCs' }).click();
      await page.getByRole('alert').getByText(/key is not accepted|This is no key/).waitFor();
      assert.equal(await field.inputValue(), '');
    }
    assert.equal(await rows(page).count(), 0);
    await field.fill(CALLER.key);
    await field.press('Enter');
    await rows(page).nth(SDDCS - 1).waitFor();
    await page.getByRole('button', { name: 'Forget the key' }).click();
    await page.getByRole('heading', { name: 'A key is needed' }).waitFor();
    assert.equal(await page.locator('#rows tr').count(), 0);
    assert.equal(await page.locator('#key-problem').isVisible(), false);
  }, { mayBeRefused: true });
});

test('below a prefix that a proxy strips the page finds its files and its data', async () => {
  const settings = { ...SOON, SDDC_GATEWAY_ACCESS__OPEN: 'true', SDDC_GATEWAY_API__PUBLIC_PATH: '/a/inventory' };
  const below = await harness.startGateway(cloud, settings);
  const proxy = await startProxy(below.url, '/a/inventory');
  try {
    await harness.visit(proxy.url, '/a/inventory/', async (page) => {
      await rows(page).nth(SDDCS - 1).waitFor();
      await page.getByText('Live', { exact: true }).waitFor();
      await page.getByRole('link', { name: 'Guide' }).click();
      await page.waitForURL('**/a/inventory/docs/guide');
    });
  } finally {
    proxy.stop();
    await below.stop();
  }
});

for (const colorScheme of ['light', 'dark']) {
  for (const width of [390, 768, 1280]) {
    test(`everybody can use it: ${width} px, ${colorScheme}`, async () => {
      const viewport = { width, height: 844 };
      const { items } = await (await fetch(`${open.url}/sddcs?state=READY&sort=-host_count&limit=1`)).json();
      await harness.visit(open.url, '/', async (page) => {
        await rows(page).nth(SDDCS - 1).waitFor();
        await page.getByText('Fresh.', { exact: true }).waitFor();
        await screenshot(page, `home-${width}-${colorScheme}`);
        await assertFits(page);
        await assertAccessible(page);
        await page.getByRole('button', { name: items[0].name }).click();
        await page.getByRole('region', { name: /^Hosts of/ }).locator('tbody tr').first().waitFor();
        await screenshot(page, `home-opened-${width}-${colorScheme}`);
        await assertFits(page);
        await assertAccessible(page);
      }, { colorScheme, viewport });
      await harness.visit(locked.url, '/', async (page) => {
        await page.getByRole('heading', { name: 'A key is needed' }).waitFor();
        await assertFits(page);
        await assertAccessible(page);
      }, { colorScheme, viewport, mayBeRefused: true });
    });
  }
}

/** The lines of SDDCs that are shown. */
function rows(page) {
  return page.locator('#rows > tr:not(.details):visible');
}

function rowOf(page, name) {
  return rows(page).filter({ has: page.getByRole('button', { name, exact: true }) });
}

function isFocused(locator) {
  return locator.evaluate((element) => element === document.activeElement);
}

/** Changes the simulated cloud. */
async function control(method, path, body) {
  const answer = await fetch(`${cloud.url}/__${path}`, { method, body: body && JSON.stringify(body) });
  assert.ok(answer.ok, `${method} ${path} answers ${answer.status}: ${await answer.clone().text()}`);
  return answer.status === 204 ? null : answer.json();
}

/** A proxy that strips a prefix, and passes on what comes as it comes. */
async function startProxy(target, prefix) {
  const { hostname, port } = new URL(target);
  const server = createServer((asked, answer) => {
    const path = asked.url.startsWith(`${prefix}/`) ? asked.url.slice(prefix.length) : '/nowhere';
    const options = { hostname, port, path, method: asked.method, headers: asked.headers };
    const passed = request(options, (got) => {
      answer.writeHead(got.statusCode, got.headers);
      got.pipe(answer);
    });
    passed.on('error', () => answer.destroy());
    answer.on('close', () => passed.destroy());
    asked.pipe(passed);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    stop() {
      server.closeAllConnections();
      server.close();
    },
  };
}
