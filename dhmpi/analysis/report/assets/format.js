'use strict';
/* Numbers, times and values as people read them, and elements whose texts are texts. */

function formatNumber(value) {
  if (value === null || value === undefined) return '–';
  if (typeof value !== 'number') return String(value);
  const size = Math.abs(value);
  if (Number.isInteger(value) && size < 1e7) return String(value);
  if (size !== 0 && (size >= 1e7 || size < 1e-4)) return value.toExponential(4).replace(/\.?0+e/, 'e').replace('e+', 'e');
  return String(Number(value.toPrecision(6)));
}

/* A value of a dimension or a result, as Python writes it. */
function formatValue(value) {
  if (value === null) return 'None';
  if (value === true) return 'True';
  if (value === false) return 'False';
  if (typeof value === 'number') return formatNumber(value);
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function formatDuration(seconds) {
  if (seconds === null || seconds === undefined || Number.isNaN(seconds)) return '–';
  const size = Math.abs(seconds);
  if (size === 0) return '0 s';
  if (size < 1) return `${formatNumber(Number((1000 * seconds).toPrecision(3)))} ms`;
  if (size < 120) return `${Number(seconds.toPrecision(3))} s`;
  const whole = Math.round(seconds);
  if (size < 7200) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  if (size < 172800) return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
  return `${Math.floor(whole / 86400)} d ${Math.floor((whole % 86400) / 3600)} h`;
}

/* Seconds since 1970 as date and time. */
function formatMoment(seconds) {
  const date = new Date(1000 * seconds);
  if (seconds === null || Number.isNaN(date.getTime())) return '–';
  return `${date.toISOString().slice(0, 19).replace('T', ' ')} UTC`;
}

function shortened(text, most = 60) {
  return text.length <= most ? text : `${text.slice(0, most - 1)}…`;
}

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (typeof value === 'function') made.addEventListener(key, value);
    else if (value === true) made.setAttribute(key, '');
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(key, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

let numLabels = 0;

function labelled(text, control, grows = false) {
  numLabels += 1;
  control.id = `control-${numLabels}`;
  return element('div', { class: grows ? 'field grows' : 'field' }, element('label', { for: control.id }, text), control);
}

function choice(options, chosen, onChange) {
  const made = element('select', { change: () => onChange(made.value) });
  made.append(...options.map(([value, text]) => element('option', { value, selected: String(value) === String(chosen) }, text)));
  return made;
}

/* A table; `rows` are lists of texts, the first of each says what the row is about. */
function plainTable(caption, titles, rows) {
  const head = element('tr', {}, ...titles.map((title) => element('th', { scope: 'col' }, title)));
  const body = rows.map(([first, ...rest]) =>
    element('tr', {}, element('th', { scope: 'row' }, first), ...rest.map((cell) => element('td', {}, cell))));
  const whole = element('table', {}, element('caption', {}, caption), element('thead', {}, head), element('tbody', {}, ...body));
  return element('div', { class: 'scrolls', role: 'region', tabindex: 0, 'aria-label': caption }, whole);
}

/* Tell those who hear the page. */
function say(text) {
  document.getElementById('said').textContent = text;
}
