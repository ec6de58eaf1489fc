'use strict';
/* The table of evaluations: sorted by any column, filtered, searched, in pages. */

const PAGE_SIZES = [25, 100, 500];
const COMPARISON = /^(.+?)(<=|>=|!=|<|>|=)(.*)$/s;

/* The columns: `value` is what is sorted and compared by, `text` what is seen. */
function tableColumns(campaign) {
  const { rows } = campaign;
  const own = (name, values, text, isNumber = true) => ({ name, value: (place) => values[place], text, isNumber });
  const state = (place) => campaign.states[rows.state[place]];
  const host = (place) => campaign.hosts[rows.host[place]] || '';
  const error = (place) => (campaign.causes[rows.cause[place]] || { line: '' }).line;
  return [
    own('id', rows.id, (place) => String(rows.id[place])),
    { name: 'state', value: state, text: state, isNumber: false },
    own(campaign.word, rows.value, (place) => formatNumber(rows.value[place])),
    ...(campaign.figures.learning ? [own('step', rows.step, (place) => formatNumber(rows.step[place]))] : []),
    ...campaign.dimensions.map((dimension) => dimensionColumn(dimension)),
    ...rows.columns.map((extra) => {
      const at = (place) => (place in extra.values ? extra.values[place] : null);
      return { name: extra.name, value: at, text: (place) => (at(place) === null ? '–' : formatValue(at(place))), isNumber: Object.values(extra.values).every((each) => typeof each === 'number') };
    }),
    own('duration', rows.duration, (place) => formatDuration(rows.duration[place])),
    own('after', rows.seconds, (place) => formatDuration(rows.seconds[place])),
    own(campaign.workerWord, rows.rank, (place) => (rows.rank[place] < 0 ? '–' : String(rows.rank[place]))),
    { name: 'host', value: host, text: host, isNumber: false },
    { name: 'error', value: error, text: (place) => shortened(error(place), 120), isNumber: false },
  ];
}

function dimensionColumn(dimension) {
  const { values, labels, name } = dimension;
  if (!labels.length) return { name, value: (place) => values[place], text: (place) => formatNumber(values[place]), isNumber: true };
  const numbers = labels.map((label) => (label.trim() === '' ? NaN : Number(label)));
  const isNumber = !numbers.some(Number.isNaN);
  return { name, value: (place) => (isNumber ? numbers : labels)[values[place]], text: (place) => labels[values[place]], isNumber };
}

function compared(left, right) {
  if (typeof left === 'number' && typeof right === 'number') return left - right;
  return String(left).localeCompare(String(right), 'en', { numeric: true });
}

/* Words of a search as tests of a place: `name<value` compares, all else must occur somewhere in the row. */
function searchTests(columns, text) {
  return text.trim().split(/\s+/).filter(Boolean).map((word) => {
    const found = COMPARISON.exec(word);
    const column = found && columns.find((each) => each.name.toLowerCase() === found[1].toLowerCase());
    if (!column || found[3] === '') {
      const low = word.toLowerCase();
      return (place) => columns.some((each) => each.text(place).toLowerCase().includes(low));
    }
    const number = Number(found[3]);
    const wanted = column.isNumber && !Number.isNaN(number) ? number : found[3].toLowerCase();
    return (place) => {
      const value = column.value(place);
      if (value === null || value === undefined) return false;
      const order = compared(typeof wanted === 'number' ? value : String(value).toLowerCase(), wanted);
      return { '<': order < 0, '>': order > 0, '<=': order <= 0, '>=': order >= 0, '=': order === 0, '!=': order !== 0 }[found[2]];
    };
  });
}

class EvaluationTable {
  constructor(campaign, root) {
    this.campaign = campaign;
    this.columns = tableColumns(campaign);
    this.places = campaign.rows.id.map((_, place) => place);
    this.settings = { state: '', cause: '', search: '', sortBy: 2, isDescending: campaign.maximises, page: 0, size: PAGE_SIZES[0] };
    this.body = element('tbody');
    this.count = element('p', { class: 'note', role: 'status' });
    this.pages = element('div', { class: 'controls' });
    root.append(this.controls(), this.count, this.frame(), this.pages);
    this.update();
  }

  set(changes) {
    Object.assign(this.settings, { page: 0 }, changes);
    this.update();
  }

  controls() {
    const { campaign } = this;
    const used = [...new Set(campaign.rows.state)].sort().map((code) => [campaign.states[code], campaign.states[code]]);
    const parts = [
      labelled('Search', this.searchField(), true),
      labelled('State', choice([['', 'all'], ...used], '', (state) => this.set({ state }))),
    ];
    if (campaign.causes.length) {
      const causes = campaign.causes.map((cause, place) => [place, shortened(`${cause.state}: ${cause.line}`, 70)]);
      this.causeChoice = choice([['', 'any'], ...causes], '', (cause) => this.set({ cause }));
      parts.push(labelled('Cause of failure', this.causeChoice));
    }
    parts.push(labelled('Rows', choice(PAGE_SIZES.map((size) => [size, String(size)]), PAGE_SIZES[0], (size) => this.set({ size: Number(size) }))));
    return element('div', { class: 'controls' }, ...parts);
  }

  searchField() {
    let timer = 0;
    const field = element('input', {
      type: 'search', autocomplete: 'off', placeholder: `a text, or ${this.columns[2].name}<0`, class: 'search',
      input: () => { clearTimeout(timer); timer = setTimeout(() => this.set({ search: field.value }), 150); },
    });
    return field;
  }

  frame() {
    this.titles = this.columns.map((column, number) => {
      const button = element('button', { type: 'button', click: () => this.sort(number) }, column.name);
      return element('th', { scope: 'col', class: column.isNumber ? 'number' : null }, button);
    });
    const caption = element('caption', {}, 'Evaluations; the title of a column sorts, a row shows all of an evaluation.');
    const table = element('table', { class: 'evaluations' }, caption, element('thead', {}, element('tr', {}, ...this.titles)), this.body);
    return element('div', { class: 'scrolls', role: 'region', tabindex: 0, 'aria-label': 'Table of evaluations' }, table);
  }

  sort(number) {
    const { sortBy, isDescending } = this.settings;
    this.set({ sortBy: number, isDescending: sortBy === number && !isDescending });
  }

  found() {
    const { state, cause, search, sortBy, isDescending } = this.settings;
    const { campaign } = this;
    const tests = searchTests(this.columns, search);
    if (state) tests.push((place) => campaign.states[campaign.rows.state[place]] === state);
    if (cause !== '') tests.push((place) => campaign.rows.cause[place] === Number(cause));
    const column = this.columns[sortBy];
    const sign = isDescending ? -1 : 1;
    const isMissing = (value) => value === null || value === undefined || value === '';
    return this.places.filter((place) => tests.every((test) => test(place))).sort((a, b) => {
      const [left, right] = [column.value(a), column.value(b)];
      if (isMissing(left) || isMissing(right)) return isMissing(left) - isMissing(right) || a - b; // always at the end
      return sign * compared(left, right) || a - b;
    });
  }

  update() {
    const { page, size, sortBy, isDescending } = this.settings;
    const found = this.found();
    const shown = found.slice(page * size, (page + 1) * size);
    this.body.replaceChildren(...shown.map((place) => this.row(place)));
    this.titles.forEach((title, number) => {
      if (number === sortBy) title.setAttribute('aria-sort', isDescending ? 'descending' : 'ascending');
      else title.removeAttribute('aria-sort');
      const sign = number === sortBy ? (isDescending ? ' ▼' : ' ▲') : '';
      title.firstChild.replaceChildren(this.columns[number].name, element('span', { 'aria-hidden': 'true' }, sign));
    });
    const last = Math.min(found.length, (page + 1) * size);
    this.count.textContent = found.length ? `${page * size + 1} to ${last} of ${found.length} evaluations` : 'No evaluation is like that.';
    this.updatePages(found.length);
  }

  updatePages(num) {
    const { page, size } = this.settings;
    const turn = (text, target, can) => element('button', { type: 'button', disabled: !can, click: () => this.set({ page: target }) }, text);
    const isLast = (page + 1) * size >= num;
    this.pages.replaceChildren(turn('Previous rows', page - 1, page > 0), turn('Next rows', page + 1, !isLast));
    this.pages.hidden = num <= size;
  }

  row(place) {
    const cells = this.columns.slice(1).map((column) =>
      element('td', { class: column.isNumber ? 'number' : null, title: column.name === 'error' ? column.value(place) : null }, column.text(place)));
    const id = String(this.campaign.rows.id[place]);
    const button = element('button', { type: 'button', 'aria-label': `Evaluation ${id}` }, id);
    const open = () => showDetails(this.campaign, place);
    return element('tr', { click: open }, element('th', { scope: 'row', class: 'number' }, button), ...cells);
  }
}
