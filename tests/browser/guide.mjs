// The guide's recipes, as they stand on the page, run in their languages against a gateway; and the
// page itself. `tests/it/recipes.rs` runs those in Rust.

import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import * as harness from './harness.mjs';
import { assertAccessible, assertFits, screenshot } from './harness.mjs';

const CALLER = harness.makeKey();
const LANGUAGES = ['curl', 'Python', 'JavaScript, TypeScript', 'Go', 'Rust'];
const RECIPES = ['list', 'paging', 'conditional', 'watch', 'wait', 'errors'];
/** Has the packages that recipes name (`tests/setup.sh`). */
const PYTHON = process.env.PYTHON ?? 'python3';
const DEADLINE_MS = 30_000;

let cloud;
let gateway;
let folder;
/** The recipes by their names, such as `list.py`. */
let recipes;

before(async () => {
  cloud = await harness.startCloud('--sddcs', '6');
  gateway = await harness.startGateway(cloud, {
    SDDC_GATEWAY_ACCESS__KEYS: `me:${CALLER.digest}`,
    SDDC_GATEWAY_INVENTORY__POLL: '1s',
  });
  await harness.openBrowser();
  folder = await mkdtemp(join(tmpdir(), 'guide-'));
  await harness.visit(gateway.url, '/docs/guide', async (page) => {
    const shown = await page.locator('pre[data-recipe]').evaluateAll((all) => all.map((code) => [code.dataset.recipe, code.textContent]));
    recipes = new Map(shown);
  });
});

after(async () => {
  await harness.closeBrowser();
  if (folder) await rm(folder, { recursive: true });
  for (const program of [gateway, cloud]) await program?.stop();
});

test('each recipe is there in each language', () => {
  const wanted = RECIPES.flatMap((name) => ['sh', 'py', 'mjs', 'go', 'rs'].map((kind) => `${name}.${kind}`));
  assert.deepEqual([...recipes.keys()].toSorted(), wanted.toSorted());
});

test('the commands with curl do what the guide says', async () => {
  const first = JSON.parse(await shell(recipes.get('list.sh')));
  assert.ok(first.items.length > 0 && first.items.every((sddc) => Object.keys(sddc).join() === 'id,name,region'));
  assert.equal((await shell(recipes.get('conditional.sh'))).trim(), '304');
  assert.equal((await shell(recipes.get('paging.sh'))).trim().split('\n').length, 6);
  assert.equal(JSON.parse(await shell(recipes.get('errors.sh'))).errors[0].did_you_mean, 'READY');
  // Both go on until something changes, or for ever.
  assert.match(await shell(recipes.get('watch.sh').replace('curl ', 'curl -s -m 2 ') + ' || true'), /^event: sync$/m);
  const waited = shell(recipes.get('wait.sh'));
  const { id } = await changeUntil(waited, 'curl-wait-01');
  assert.ok(JSON.parse(await waited).items.some((sddc) => sddc.id === id));
});

test('the commands with curl on the page on VMware’s tools do what it says', async () => {
  const demo = await harness.startDemo('--key', `tools:${CALLER.key}`);
  try {
    let commands;
    await harness.visit(demo.url, '/docs/drop-in', async (page) => {
      commands = await page.locator('h2#curl + .code pre').textContent();
    });
    const orgs = JSON.parse(await shell(commands));
    assert.ok(orgs.length > 0 && orgs.every((org) => org.id && org.display_name), JSON.stringify(orgs));
  } finally {
    await demo.stop();
  }
});

test('the recipes in Python run', async () => {
  const text = ['import os', 'GATEWAY, KEY = os.environ["GATEWAY"], os.environ["KEY"]'];
  for (const name of RECIPES) text.push(recipes.get(`${name}.py`));
  text.push(
    'kind, data, tag = next(events())',
    'assert kind == "sync" and len(data["items"]) >= 6 and tag.startswith("W/"), (kind, data, tag)',
    'assert again.status_code == 304 and len(sddcs) >= 6',
    'assert problem["code"] == "invalid-parameter" and len(list(all_hosts())) > 0',
    'changed = changes({"fields": "name"})',
    'before = next(changed)',
    'print("ready", flush=True)',
    'assert len(next(changed)) > len(before)',
  );
  const said = await runUntilChange(PYTHON, 'recipes.py', text.join('\n'));
  assert.match(said, /age in seconds: \d+/);
  assert.match(said, /invalid-parameter .* request /);
  assert.match(said, /state .* did you mean READY/);
});

test('the recipes in JavaScript run', async () => {
  const block = (name) => `{\n${recipes.get(`${name}.mjs`)}\n}`;
  const text = [
    "import assert from 'node:assert/strict';",
    'const { GATEWAY, KEY } = process.env;',
    block('list'),
    recipes.get('paging.mjs'),
    recipes.get('watch.mjs'),
    recipes.get('wait.mjs'),
    block('errors'),
    recipes.get('conditional.mjs'),
    'assert.equal(again.status, 304); assert.ok(sddcs.length >= 6);',
    'const hosts = []; for await (const host of allHosts()) hosts.push(host);',
    'assert.ok(hosts.length > 0);',
    'const { value } = await events().next();',
    "assert.equal(value.type, 'sync'); assert.ok(value.data.items.length >= 6); assert.match(value.id, /^W/);",
    "const changed = changes('fields=name');",
    'const before = (await changed.next()).value;',
    "console.log('ready');",
    'assert.ok((await changed.next()).value.length > before.length);',
    'process.exit(0);',
  ];
  const said = await runUntilChange(process.execPath, 'recipes.mjs', text.join('\n'));
  assert.match(said, /age in seconds: \d+/);
  assert.match(said, /invalid-parameter .* request /);
});

test('the recipes in Go are compiled and run, where Go is', async (context) => {
  if (spawnSync('go', ['version']).status !== 0) {
    context.diagnostic('go is not installed: the recipes in Go were neither compiled nor run');
    return;
  }
  const packages = ['bufio', 'encoding/json', 'fmt', 'io', 'net/http', 'net/url', 'os', 'strings', 'time'];
  const text = [
    'package main',
    ...packages.map((name) => `import "${name}"`),
    'var gateway, key = os.Getenv("GATEWAY"), os.Getenv("KEY")',
    ...RECIPES.map((name) => recipes.get(`${name}.go`)),
    `func must(err error) { if err != nil { panic(err) } }
     func main() {
       must(list())
       body, tag, err := listIfChanged("")
       must(err)
       if len(body) == 0 || tag == "" { panic("no list") }
       body, tag, err = listIfChanged(tag)
       must(err)
       if body != nil || tag != "" { panic("it has changed") }
       hosts := 0
       must(allHosts(func(json.RawMessage) { hosts++ }))
       if hosts == 0 { panic("no hosts") }
       answer, err := http.Get(gateway + "/sddcs")
       must(err)
       fmt.Println(problemOf(answer))
       seen := make(chan string, 10)
       go events("", func(event, data, id string) { seen <- event })
       if event := <-seen; event != "sync" { panic(event) }
       go watch(func(list []byte) { seen <- "list" })
       if event := <-seen; event != "list" { panic(event) }
     }`,
  ];
  await writeFile(join(folder, 'go.mod'), 'module recipes\n');
  await writeFile(join(folder, 'main.go'), text.join('\n'));
  const env = { ...process.env, GATEWAY: gateway.url, KEY: CALLER.key, GOFLAGS: '-mod=mod', GOPROXY: 'off' };
  const { stdout } = await promisify(execFile)('go', ['run', '.'], { cwd: folder, env, timeout: 120_000 });
  assert.match(stdout, /age in seconds: \d+/);
  assert.match(stdout, /^unauthenticated: .* \(request /m);
});

test('the guide has this gateway’s address, one language at a time, and anchors', async () => {
  await harness.visit(gateway.url, '/docs/guide', async (page) => {
    const code = (name) => page.locator(`pre[data-recipe="${name}"]`);
    assert.ok((await code('list.sh').innerText()).includes(`${gateway.url}/sddcs`));
    assert.ok((await code('list.py').textContent()).includes('{GATEWAY}/sddcs'));
    const tabs = page.getByRole('tablist').first();
    assert.deepEqual(await tabs.getByRole('tab').allInnerTexts(), LANGUAGES);
    assert.ok((await code('errors.sh').isVisible()) && !(await code('errors.go').isVisible()));
    // By keyboard, and for the whole page.
    await tabs.getByRole('tab', { name: 'curl' }).focus();
    for (let at = 0; at < 3; at += 1) await page.keyboard.press('ArrowRight');
    await code('list.go').waitFor();
    assert.ok((await code('errors.go').isVisible()) && !(await code('errors.sh').isVisible()));

    const { origin } = new URL(gateway.url);
    await page.context().grantPermissions(['clipboard-read', 'clipboard-write'], { origin });
    await page.locator('.code', { has: code('list.go') }).getByRole('button', { name: 'Copy' }).click();
    await page.getByRole('button', { name: 'Copied' }).waitFor();
    assert.equal(await page.evaluate(() => navigator.clipboard.readText()), await code('list.go').textContent());

    await page.locator('#contents').getByRole('link', { name: 'Watch' }).click();
    assert.equal(new URL(page.url()).hash, '#watch');
    await page.locator('h2#watch').waitFor();
  });
});

test('without scripts the guide has all languages', async () => {
  await harness.visit(gateway.url, '/docs/guide', async (page) => {
    for (const name of ['list.sh', 'list.rs']) await page.locator(`pre[data-recipe="${name}"]`).waitFor();
    assert.deepEqual(await page.getByRole('heading', { level: 4 }).first().innerText(), 'curl');
  }, { javaScriptEnabled: false });
});

for (const colorScheme of ['light', 'dark']) {
  for (const width of [390, 768, 1280]) {
    test(`everybody can read the guide and the page on VMware’s tools: ${width} px, ${colorScheme}`, async () => {
      for (const path of ['/docs/guide', '/docs/drop-in', '/problems/incomplete']) {
        await harness.visit(gateway.url, path, async (page) => {
          await screenshot(page, `guide${path.replaceAll('/', '-')}-${width}-${colorScheme}`);
          await assertFits(page);
          await assertAccessible(page);
        }, { colorScheme, viewport: { width, height: 844 } });
      }
    });
  }
}

/** What a command prints; it must succeed. */
async function shell(text) {
  const { stdout } = await run('bash', ['-euc', text]);
  return stdout;
}

/** Writes a program and runs it; once it is ready, changes come. What it prints. */
async function runUntilChange(interpreter, name, text) {
  const path = join(folder, name);
  await writeFile(path, text);
  const running = run(interpreter, [path]);
  const isReady = new Promise((resolve) => {
    running.child.stdout.on('data', (said) => String(said).includes('ready') && resolve());
  });
  await Promise.race([isReady, running]);
  await changeUntil(running, `${name}-waits`);
  return (await running).stdout;
}

function run(program, args) {
  const env = { ...process.env, GATEWAY: gateway.url, KEY: CALLER.key };
  for (const proxy of ['http_proxy', 'HTTP_PROXY', 'all_proxy', 'ALL_PROXY']) delete env[proxy];
  return promisify(execFile)(program, args, { cwd: folder, env, timeout: DEADLINE_MS });
}

/**
 * Adds SDDCs until what waits for a change has ended: when it begins to wait cannot be seen from
 * outside. Returns the last one.
 */
async function changeUntil(waited, name) {
  let isOver = false;
  const over = waited.then(() => { isOver = true; }, () => { isOver = true; });
  let last;
  while (!isOver) {
    const answer = await fetch(`${cloud.url}/__sddcs`, { method: 'POST', body: JSON.stringify({ name }) });
    last = await answer.json();
    let timer;
    await Promise.race([over, new Promise((resolve) => { timer = setTimeout(resolve, 2000); })]);
    clearTimeout(timer);
  }
  return last;
}
