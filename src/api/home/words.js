// What VMware Cloud's values are in words. Whatever it says is put on the page as text only.

const TONES = {
  READY: 'good', FINISHED: 'good', ENABLED: 'good',
  FAILED: 'bad',
  DELETED: 'off', CANCELED: 'off', DISABLED: 'off',
};
const MARKS = { good: '●', busy: '◐', bad: '▲', off: '○' };
const SPECIAL = { READY_FOR_GLCM_BRINGUP: 'Ready for bring-up', null: 'Unknown' };

/** `ADDING_HOSTS` as "Adding hosts"; another spelling as it is. */
export function words(value) {
  const text = String(value);
  if (text in SPECIAL) return SPECIAL[text];
  if (!/^[A-Z][A-Z0-9]*([_-][A-Z0-9]+)*$/.test(text)) return text;
  const lower = text.toLowerCase().replace(/[_-]/g, ' ').replace(/\bsddc\b/g, 'SDDC').replace(/\besx\b/g, 'ESX');
  return lower[0].toUpperCase() + lower.slice(1);
}

/** How a state is to be taken. One that is not known is on its way somewhere. */
export function tone(state) {
  return state === null ? 'off' : (TONES[state] ?? 'busy');
}

/** A state in words, with a mark whose shape says the same. */
export function badge(state) {
  const mark = element('span', MARKS[tone(state)], { class: 'mark', 'aria-hidden': 'true' });
  const badge = element('span', '', { class: 'badge', 'data-tone': tone(state) });
  badge.append(mark, words(state));
  return badge;
}

/** `EU_CENTRAL_1` as AWS spells it. */
export function region(value) {
  return value === null ? '–' : value.toLowerCase().replaceAll('_', '-');
}

const UNITS = [
  ['year', 31_557_600], ['month', 2_629_800], ['day', 86_400], ['hour', 3600], ['minute', 60], ['second', 1],
];

/** A span in its largest unit: "3 months". */
export function span(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  const [unit, size] = UNITS.find(([, size]) => whole >= size) ?? UNITS.at(-1);
  const count = Math.floor(whole / size);
  return `${count} ${unit}${count === 1 ? '' : 's'}`;
}

/** How long ago a time was, with the time itself where the mouse rests; a dash for none. */
export function since(time) {
  const at = Date.parse(time);
  if (Number.isNaN(at)) return document.createTextNode('–');
  return element('time', span((Date.now() - at) / 1000), { datetime: time, title: moment(time) });
}

export function moment(time) {
  const at = new Date(time);
  return Number.isNaN(at.getTime()) ? '–' : at.toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'short' });
}

/** "1 host", "2 hosts". */
export function count(number, noun) {
  return `${number.toLocaleString()} ${noun}${number === 1 ? '' : 's'}`;
}

/** An element with this text: never markup. */
export function element(name, text = '', attributes = {}) {
  const made = document.createElement(name);
  if (text !== '') made.textContent = text;
  for (const [attribute, value] of Object.entries(attributes)) made.setAttribute(attribute, value);
  return made;
}
