'use strict';
/* Start of the page: data, charts that are drawn when they are seen, campaigns to choose from, printing. */

const FIGURE_ROWS = 100;
/* What a chart on paper measures; layout knows only after the charts have been drawn. */
const PAPER = { width: 660, height: 270, tall: 380 };

async function readData() {
  const packed = atob(document.getElementById('data').textContent.trim());
  const bytes = Uint8Array.from(packed, (character) => character.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('gzip'));
  return new Response(stream).json();
}

/* A chart in its figure. */
class Chart {
  constructor(figure, subject) {
    this.figure = figure;
    this.subject = subject;
    this.kind = CHARTS[figure.dataset.chart];
    this.canvas = figure.querySelector('.canvas');
    this.settings = {};
    this.chart = null;
    this.addControls();
    this.addFigures();
  }

  addControls() {
    const choices = Object.entries(this.kind.choices ? this.kind.choices(this.subject) : {});
    for (const [key, [, options]] of choices) this.settings[key] = options.length ? options[0][0] : '';
    const parts = choices.filter(([, [, options]]) => options.length > 1).map(([key, [label, options]]) =>
      labelled(label, choice(options, this.settings[key], (value) => this.set(key, value))));
    if (parts.length) this.canvas.before(element('div', { class: 'controls' }, ...parts));
  }

  set(key, value) {
    this.settings[key] = value;
    this.draw();
    this.fillFigures();
  }

  addFigures() {
    if (!this.kind.table) return;
    this.figures = element('details', { toggle: () => this.fillFigures() }, element('summary', {}, 'As a table'));
    this.figure.append(this.figures);
  }

  fillFigures() {
    if (!this.figures || !this.figures.open) return;
    const [titles, rows] = this.kind.table(this.subject, this.settings);
    const title = this.figure.querySelector('h3').textContent;
    const caption = rows.length > FIGURE_ROWS ? `${title}: ${FIGURE_ROWS} of ${rows.length} rows` : title;
    const [summary] = this.figures.children;
    this.figures.replaceChildren(summary, plainTable(caption, titles, spread(rows, FIGURE_ROWS)));
  }

  draw() {
    if (!this.canvas.clientWidth) return; // in a campaign that is not shown
    if (!this.chart) {
      this.chart = echarts.init(this.canvas, null, { renderer: 'canvas' });
      this.chart.on('click', (params) => {
        const place = params.data && params.data.place;
        if (place !== undefined && place !== null && place >= 0) showDetails(this.subject, place);
      });
    }
    const height = this.figure.classList.contains('tall') ? PAPER.tall : PAPER.height;
    this.chart.resize({ silent: true, ...(isPrinting ? { width: PAPER.width, height } : { width: 'auto', height: 'auto' }) });
    this.chart.setOption(this.kind.option(this.subject, this.settings, colours()), { notMerge: true });
    this.chart.getZr().flush();
  }
}

class Page {
  constructor(report) {
    this.report = report;
    this.charts = [];
    this.seen = new IntersectionObserver((entries) => {
      for (const entry of entries) if (entry.isIntersecting) this.chartOf(entry.target).draw();
    }, { rootMargin: '400px' });
    this.articles = [...document.querySelectorAll('article[data-campaign]')];
    this.filled = new Set();
    this.fillPart(document.getElementById('compared'), report);
    this.show(0);
    this.startChoice();
  }

  chartOf(figure) {
    return this.charts.find((chart) => chart.figure === figure);
  }

  fillPart(part, subject) {
    for (const figure of part ? part.querySelectorAll('figure[data-chart]') : []) {
      const chart = new Chart(figure, subject);
      this.charts.push(chart);
      this.seen.observe(figure);
    }
  }

  show(number) {
    this.articles.forEach((article, place) => { article.hidden = place !== number; });
    if (this.filled.has(number)) return;
    this.filled.add(number);
    const campaign = this.report.campaigns[number];
    this.fillPart(this.articles[number], campaign);
    const root = this.articles[number].querySelector('.evaluations-root');
    if (root && campaign.rows.id.length) new EvaluationTable(campaign, root);
  }

  startChoice() {
    const place = document.getElementById('campaign-choice');
    if (!place) return;
    const options = this.report.campaigns.map((campaign, number) => [number, campaign.name]);
    place.append(labelled('Campaign', choice(options, 0, (value) => { this.show(Number(value)); this.drawAgain(); })));
  }

  drawAgain() {
    for (const chart of this.charts) if (chart.chart) chart.draw();
  }

  drawAll() {
    for (const chart of this.charts) chart.draw();
  }
}

function startCopying() {
  for (const button of document.querySelectorAll('button.copy')) {
    button.hidden = false;
    button.addEventListener('click', async () => {
      const source = document.getElementById(button.dataset.source);
      const isCopied = await copied(source);
      button.textContent = isCopied ? 'Copied' : 'Selected';
      say(isCopied ? 'Copied' : 'Selected: copy it with the keyboard');
      setTimeout(() => { button.textContent = 'Copy'; }, 2000);
    });
  }
}

/* Whether a text could be copied; it is selected if not, as where a page from a file may not use the clipboard. */
async function copied(source) {
  try {
    await navigator.clipboard.writeText(source.textContent);
    return true;
  } catch (error) {
    getSelection().selectAllChildren(source);
    return false;
  }
}

function startPrinting(page) {
  const printing = (value) => () => { isPrinting = value; page[value ? 'drawAll' : 'drawAgain'](); };
  window.addEventListener('beforeprint', printing(true));
  window.addEventListener('afterprint', printing(false));
}

async function start() {
  startDetails();
  startCopying();
  const page = new Page(await readData());
  startTheme(() => page.drawAgain());
  startPrinting(page);
  let timer = 0;
  window.addEventListener('resize', () => { clearTimeout(timer); timer = setTimeout(() => page.drawAgain(), 150); });
  document.documentElement.dataset.ready = 'true';
}

start();
