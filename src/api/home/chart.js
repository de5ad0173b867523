// Hosts per region as bars, those that are not ready hatched: a picture of what the table's numbers say.

import { count, region } from './words.js';

const SVG = 'http://www.w3.org/2000/svg';
const ROW = 40;
const BAR = 10;

/** Draws into the figure; hides it where a picture says nothing. */
export function drawChart(figure, sddcs) {
  const regions = hostsPerRegion(sddcs);
  figure.hidden = regions.length < 2;
  figure.querySelector('svg')?.remove();
  if (figure.hidden) return;
  const most = Math.max(...regions.map(({ all }) => all));
  const svg = shape('svg', { role: 'img', width: '100%', height: regions.length * ROW });
  const label = regions.map(({ name, all, ready }) => `${name}: ${said(all, ready)}`).join('; ');
  svg.setAttribute('aria-label', `Hosts per region. ${label}.`);
  svg.append(hatching());
  regions.forEach(({ name, all, ready }, at) => {
    const y = at * ROW;
    svg.append(
      text(name, { x: 0, y: y + 14, class: 'name' }),
      text(said(all, ready), { x: '100%', y: y + 14, class: 'figure', 'text-anchor': 'end' }),
      bar(0, 100, y, 'track'),
      bar(0, (all / most) * 100, y, 'waiting'),
      bar(0, (ready / most) * 100, y, 'ready'),
    );
  });
  figure.append(svg);
}

function said(all, ready) {
  return ready === all ? count(all, 'host') : `${count(all, 'host')}, ${all - ready} not ready`;
}

function hostsPerRegion(sddcs) {
  const regions = new Map();
  for (const sddc of sddcs) {
    if (!sddc.host_count || sddc.region === null) continue;
    const sum = regions.get(sddc.region) ?? { name: region(sddc.region), all: 0, ready: 0 };
    sum.all += sddc.host_count;
    sum.ready += sddc.hosts_ready ?? sddc.host_count;
    regions.set(sddc.region, sum);
  }
  return [...regions.values()].sort((one, other) => other.all - one.all || one.name.localeCompare(other.name));
}

function bar(from, width, y, kind) {
  return shape('rect', { x: `${from}%`, width: `${width}%`, y: y + 22, height: BAR, rx: 3, class: kind });
}

function hatching() {
  const pattern = shape('pattern', {
    id: 'hatching', width: 5, height: 5, patternUnits: 'userSpaceOnUse', patternTransform: 'rotate(45)',
  });
  pattern.append(shape('rect', { width: 2.5, height: 5 }));
  const definitions = shape('defs');
  definitions.append(pattern);
  return definitions;
}

function text(content, attributes) {
  const made = shape('text', attributes);
  made.textContent = content;
  return made;
}

function shape(name, attributes = {}) {
  const made = document.createElementNS(SVG, name);
  for (const [attribute, value] of Object.entries(attributes)) made.setAttribute(attribute, value);
  return made;
}
