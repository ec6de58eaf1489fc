'use strict';
/* All that is known of one evaluation, in a dialog. */

function facts(pairs) {
  const items = pairs.flatMap(([name, value]) => [element('dt', {}, name), element('dd', {}, value)]);
  return element('dl', { class: 'facts' }, ...items);
}

function pointOf(campaign, place) {
  return campaign.dimensions.map((dimension) => {
    const value = dimension.values[place];
    return [dimension.name, dimension.labels.length ? dimension.labels[value] : value];
  });
}

function logsOf(campaign, id) {
  return campaign.logs.filter((log) => log.id === id);
}

function timesOf(campaign, place) {
  const { submitted, started, ended, duration, seconds } = campaign.rows;
  return [
    ['duration', formatDuration(duration[place])],
    ['submitted', formatMoment(submitted[place])],
    ['started', formatMoment(started[place])],
    ['ended', ended[place] === null ? '–' : `${formatMoment(ended[place])}, ${formatDuration(seconds[place])} after the beginning, pauses not counted`],
  ];
}

/* How far it was when it reported last, and its value if it was stopped there, which is never the best. */
function stepsOf(campaign, place) {
  const { step, stopped } = campaign.rows;
  if (step[place] === null) return [];
  return [['last step', stopped[place] === null ? formatNumber(step[place]) : `${formatNumber(step[place])}, where it was stopped with ${stopped[place]}`]];
}

function errorOf(campaign, place) {
  const cause = campaign.causes[campaign.rows.cause[place]];
  return campaign.rows.error[place] || (cause ? cause.error : '');
}

function showDetails(campaign, place) {
  const { rows } = campaign;
  const dialog = document.getElementById('details');
  const body = dialog.querySelector('.body');
  const id = rows.id[place];
  document.getElementById('details-title').textContent = `Evaluation ${id}`;
  const parts = [
    facts([
      ['state', campaign.states[rows.state[place]]],
      [campaign.word, rows.value[place] === null ? '–' : String(rows.value[place])],
      ...stepsOf(campaign, place),
      ...timesOf(campaign, place),
      ['worker', rows.rank[place] < 0 ? '–' : `${campaign.workerWord} ${rows.rank[place]}${campaign.hosts[rows.host[place]] ? ` on ${campaign.hosts[rows.host[place]]}` : ''}`],
      ['proposed by', campaign.models[rows.model[place]] || '–'],
    ]),
    element('h3', {}, 'Point'),
    facts(pointOf(campaign, place).map(([name, value]) => [name, value === null ? '–' : String(value)])),
  ];
  parts.push(curvePart(campaign, place));
  if (rows.extra[place]) parts.push(element('h3', {}, 'Its other results'), extraPart(rows.extra[place]));
  if (errorOf(campaign, place)) parts.push(element('h3', {}, 'Error'), element('pre', { tabindex: 0 }, errorOf(campaign, place)));
  for (const log of logsOf(campaign, id)) {
    const who = log.member === null ? 'it' : `rank ${log.member} of it`;
    parts.push(element('h3', {}, `${log.is_whole ? 'What' : 'The last that'} ${who} printed`), element('pre', { tabindex: 0 }, log.text));
  }
  body.replaceChildren(...parts.filter(Boolean));
  if (!dialog.open) dialog.showModal();
  drawCurve(campaign, place, body);
  body.scrollTop = 0;
}

function extraPart(text) {
  try {
    return facts(Object.entries(JSON.parse(text)).map(([key, value]) => [key, formatValue(value)]));
  } catch (error) {
    return element('pre', { tabindex: 0 }, text); // what is cut short is no JSON
  }
}

function startDetails() {
  const dialog = document.getElementById('details');
  dialog.querySelector('.close').addEventListener('click', () => dialog.close());
  dialog.addEventListener('click', (event) => { if (event.target === dialog) dialog.close(); });
}
