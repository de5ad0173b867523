// Makes the guide's blocks handy: the gateway's own address in the commands, tabs for languages, a
// button that copies, and anchors on headings. Without it the guide shows all languages.

const GATEWAY = new URL('..', document.baseURI).href.replace(/\/$/, '');
const main = document.querySelector('main');

for (const code of main.querySelectorAll('pre')) {
  replaceText(code, /\$GATEWAY(?!\w)/g, () => GATEWAY);
}

for (const heading of main.querySelectorAll('h2, h3')) {
  heading.id ||= heading.textContent.trim().toLowerCase().replace(/[^a-z0-9]+/g, '-');
  const anchor = document.createElement('a');
  anchor.className = 'anchor';
  anchor.href = `#${heading.id}`;
  anchor.textContent = '#';
  anchor.setAttribute('aria-label', `Link to ${heading.textContent}`);
  heading.append(anchor);
}
// The heading of the address had no id when the browser looked for it.
if (location.hash) document.getElementById(location.hash.slice(1))?.scrollIntoView();

const contents = document.getElementById('contents');
for (const heading of main.querySelectorAll('h2')) {
  const link = document.createElement('a');
  link.href = `#${heading.id}`;
  link.textContent = heading.firstChild.textContent;
  const item = document.createElement('li');
  item.append(link);
  contents.append(item);
}

for (const code of main.querySelectorAll('pre')) {
  const frame = document.createElement('div');
  frame.className = 'code';
  const copy = document.createElement('button');
  copy.type = 'button';
  copy.className = 'copy';
  copy.textContent = 'Copy';
  copy.addEventListener('click', () => copyText(code.textContent, copy));
  code.replaceWith(frame);
  frame.append(code, copy);
}

const groups = [...main.querySelectorAll('.tabs')].map(makeTabs);

/** Puts a group's languages behind tabs (WAI-ARIA's pattern: arrow keys move between them). */
function makeTabs(group, at) {
  const list = document.createElement('div');
  list.setAttribute('role', 'tablist');
  list.setAttribute('aria-label', 'Language');
  const tabs = [...group.querySelectorAll('section')].map((panel, index) => {
    const tab = document.createElement('button');
    tab.type = 'button';
    tab.id = `tab-${at}-${index}`;
    tab.textContent = panel.querySelector('h4').textContent;
    tab.setAttribute('role', 'tab');
    panel.id = `panel-${at}-${index}`;
    panel.setAttribute('role', 'tabpanel');
    panel.setAttribute('aria-labelledby', tab.id);
    tab.setAttribute('aria-controls', panel.id);
    tab.addEventListener('click', () => choose(tab.textContent));
    tab.addEventListener('keydown', (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!step) return;
      const next = tabs[(index + step + tabs.length) % tabs.length].tab;
      choose(next.textContent);
      next.focus();
    });
    list.append(tab);
    return { tab, panel };
  });
  group.prepend(list);
  group.classList.add('on');
  return tabs;
}

/** One language for the whole guide. */
function choose(language) {
  for (const { tab, panel } of groups.flat()) {
    const isChosen = tab.textContent === language;
    tab.setAttribute('aria-selected', String(isChosen));
    tab.tabIndex = isChosen ? 0 : -1;
    panel.hidden = !isChosen;
  }
}
if (groups.length > 0) choose(groups[0][0].tab.textContent);

async function copyText(text, button) {
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = 'Copied';
  } catch {
    // Without TLS a browser lets no page write there: what is selected can be copied by hand.
    getSelection().selectAllChildren(button.previousElementSibling);
    button.textContent = 'Selected';
  }
  setTimeout(() => { button.textContent = 'Copy'; }, 2000);
}

function replaceText(element, pattern, by) {
  const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    node.data = node.data.replace(pattern, by);
  }
}
