// The docs as a reader's browser sees them: they must work with nothing but the gateway reachable,
// "Execute" must give a live answer, and a page can watch.
//
//   node --test docs.mjs
//
// BASE_URL    ask this gateway instead of starting one

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import * as harness from './harness.mjs';
import { assertAccessible, assertFits, screenshot } from './harness.mjs';

let gateway;
let base;

before(async () => {
  base = process.env.BASE_URL?.replace(/\/+$/, '');
  if (!base) {
    gateway = await harness.startDemo();
    base = gateway.url;
  }
  await harness.openBrowser();
});

after(async () => {
  await harness.closeBrowser();
  await gateway?.stop();
});

/** Opens a page of the docs, and waits for what it loads. */
function visit(address, look, options) {
  const lookThrough = async (page) => {
    await look(page);
    await page.waitForLoadState('networkidle');
  };
  return harness.visit(base, address, lookThrough, options);
}

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
    await screenshot(page, 'docs-executed');

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
    // Failures are told once, and not once for each status.
    const failures = block.locator('tr.response:not([data-code="200"]):not([data-code="304"])');
    assert.deepEqual(await failures.evaluateAll((rows) => rows.map((row) => row.dataset.code)), ['default']);
    await failures.getByText('Retry-After').waitFor();
    await failures.getByText('upstream-unavailable').first().waitFor();
  });
});

test('a list can be tried out with a filter', async () => {
  await visit('/docs', async (page) => {
    const block = operation(page, '/sddcs');
    await block.locator('.opblock-summary-control').click();
    await block.getByRole('button', { name: 'Try it out' }).click();
    // Closed sets are chosen from, not typed.
    await block.locator('tr[data-param-name="state"] select').selectOption(['READY']);
    await block.locator('tr[data-param-name="fields"] select').selectOption(['name', 'state']);
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

test('the first operation is the list of SDDCs, and common parameters come before the filters', async () => {
  await visit('/docs', async (page) => {
    const block = page.locator('.opblock').first();
    await block.waitFor();
    assert.equal(await block.locator('.opblock-summary-path').getAttribute('data-path'), '/sddcs');
    await block.locator('.opblock-summary-control').click();
    const names = await block.locator('tr[data-param-name]').evaluateAll((rows) => rows.map((row) => row.dataset.paramName));
    assert.deepEqual(names.slice(0, 6), ['q', 'fields', 'sort', 'limit', 'cursor', 'wait']);
  });
});

test('a stream is explained and not tried out', async () => {
  await visit('/docs', async (page) => {
    const block = operation(page, '/sddcs/events');
    await block.locator('.opblock-summary-control').click();
    await block.getByText('Last-Event-ID').first().waitFor();
    assert.equal(await block.getByRole('button', { name: 'Try it out' }).isVisible(), false);
  });
});

for (const colorScheme of ['light', 'dark']) {
  test(`the docs follow the ${colorScheme} scheme and fit a telephone`, async () => {
    const viewport = { width: 390, height: 844 };
    await visit('/docs', async (page) => {
      const block = operation(page, '/sddcs');
      await block.locator('.opblock-summary-control').click();
      await block.getByRole('button', { name: 'Try it out' }).click();
      await block.getByRole('button', { name: 'Execute' }).click();
      await block.locator('.live-responses-table').waitFor();
      await assertFits(page);
      const isDark = await page.evaluate(() => {
        const [red] = getComputedStyle(document.querySelector('.opblock')).backgroundColor.match(/\d+/g);
        return Number(red) < 64;
      });
      assert.equal(isDark, colorScheme === 'dark');
    }, { colorScheme, viewport });
  });
}

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
    const headings = await page.locator('h2').allInnerTexts();
    const parts = headings.map((text) => text.replace(/#$/, ''));
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

/** Styled, and no wider than a telephone. */
async function assertReadable(page) {
  await page.setViewportSize({ width: 375, height: 700 });
  await assertFits(page);
  const font = await page.evaluate(() => getComputedStyle(document.body).fontFamily);
  assert.match(font, /system-ui/);
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

