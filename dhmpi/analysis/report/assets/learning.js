'use strict';
/* Charts of what evaluations reported while they ran. */

/* Steps are logarithmic at first if the largest is so many times the smallest; those up to which evaluations went on
   only where linear ones would show nothing: there, areas are numbers of steps. */
const WIDE_STEPS = 20;
const VERY_WIDE_STEPS = 200;
const HEIGHT_OF_CURVE = 220;

function stepChoices(steps, wide = WIDE_STEPS) {
  const [first, last] = [Math.min(...steps), Math.max(...steps)];
  if (first <= 0) return [['value', 'linear']];
  const choices = [['log', 'logarithmic'], ['value', 'linear']];
  return last / first >= wide ? choices : choices.reverse();
}

const stepAxis = (type, colours, more = {}) => axis('step', colours, { type, axisLabel: { formatter: shortNumber }, ...more });

/* Where the steps of curves begin and end; a logarithmic axis would go on to the next power of ten. */
function endsOf(curves) {
  const steps = curves.flatMap((curve) => curve.points.map(([step]) => step));
  const [min, max] = [Math.min(...steps), Math.max(...steps)];
  return min < max ? { min, max } : {};
}

/* A learning curve as points, without what is no number. */
function curvePoints([steps, values]) {
  return steps.map((step, number) => [step, clamped(values[number])]).filter(([, value]) => value !== null);
}

/* Curves that the chart draws: place of the evaluation, and points. */
function drawnCurves(campaign) {
  const { curves, drawn } = campaign.figures.learning;
  return drawn.map((place) => ({ place, points: curvePoints(curves[place]) })).filter((curve) => curve.points.length);
}

/* The range of most values: what lies far from all else would leave little to see. */
function rangeOfMost(values) {
  if (values.length < 20) return {};
  const sorted = [...values].sort((a, b) => a - b);
  const at = (share) => sorted[Math.floor(share * (sorted.length - 1))];
  const [low, high] = [at(0.02), at(0.98)];
  const width = high - low;
  if (width <= 0 || (sorted[0] >= low - 2 * width && sorted[sorted.length - 1] <= high + 2 * width)) return {};
  return { min: low - 0.3 * width, max: high + 0.3 * width, axisLabel: { formatter: shortNumber, width: 46, showMinLabel: false, showMaxLabel: false } };
}

function bestPlace(campaign) {
  const sign = campaign.maximises ? -1 : 1;
  const { value } = campaign.rows;
  return value.reduce((best, each, place) => (each !== null && (best < 0 || sign * each < sign * value[best]) ? place : best), -1);
}

const drawnLine = (colour) => (params, api) => ({
  type: 'polyline', shape: { points: params.context.points[params.dataIndex].map((point) => api.coord(point)) },
  style: { fill: 'none', stroke: colour, lineWidth: 1.2, opacity: 0.5 }, emphasis: { style: { lineWidth: 3, opacity: 1 } },
});

/* The curves of a state, and symbols where they end. */
function stateSeries(state, curves, colours) {
  const colour = colours.states[state];
  const points = curves.map((curve) => curve.points);
  const draw = drawnLine(colour);
  const bounds = (curve) => [0, 1].flatMap((which) => [Math.min, Math.max].map((pick) => pick(...curve.points.map((point) => point[which]))));
  return [
    { name: state, type: 'custom', itemStyle: { color: colour }, clip: true, encode: { x: [0, 1], y: [2, 3] },
      renderItem: (params, api) => { params.context.points = points; return draw(params, api); },
      data: curves.map((curve) => ({ value: bounds(curve), place: curve.place })) },
    { name: state, type: 'scatter', symbol: STATE_SYMBOLS[state], symbolSize: state === 'DONE' ? 3 : 7, itemStyle: { color: colour, opacity: 0.8 },
      data: curves.map((curve) => ({ value: curve.points[curve.points.length - 1], place: curve.place })) },
  ];
}

CHARTS.learning = {
  choices(campaign) {
    const points = drawnCurves(campaign).flatMap((curve) => curve.points);
    const values = [['most', 'most of them'], ['all', 'all of them']];
    if (points.every(([, value]) => value > 0)) values.push(['log', 'logarithms']);
    return { x: ['Steps', stepChoices(points.map(([step]) => step))], y: ['Values', values] };
  },
  option(campaign, settings, colours) {
    const curves = drawnCurves(campaign);
    const { rows, states } = campaign;
    const best = curves.filter((curve) => curve.place === bestPlace(campaign));
    const range = settings.y === 'most' ? rangeOfMost(curves.flatMap((curve) => curve.points.map(([, value]) => value))) : {};
    const series = states.flatMap((state, code) => {
      const own = curves.filter((curve) => rows.state[curve.place] === code);
      return own.length ? stateSeries(state, own, colours) : [];
    });
    return basis(colours, {
      xAxis: stepAxis(settings.x, colours, endsOf(curves)), yAxis: valueAxis(campaign.word, colours, settings.y === 'log' ? { type: 'log' } : range),
      tooltip: { ...basis(colours).tooltip, formatter: pointTip(campaign) },
      series: [...series, ...best.map((curve) => ({
        name: 'best', type: 'line', symbol: 'circle', symbolSize: 5, z: 5, lineStyle: { width: 3, color: colours.best }, itemStyle: { color: colours.best },
        silent: true, data: curve.points, // its curve among the others, below, hears clicks
      }))],
    });
  },
  table: (campaign) => [['evaluation', 'state', 'last step', `${campaign.word} there`, 'the best one on its way'], drawnCurves(campaign).map(({ place, points }) => {
    const pick = campaign.maximises ? Math.max : Math.min;
    const [step, value] = points[points.length - 1];
    return [String(campaign.rows.id[place]), campaign.states[campaign.rows.state[place]], formatNumber(step), formatNumber(value), formatNumber(pick(...points.map((point) => point[1])))];
  })],
};

CHARTS.survival = {
  choices: (campaign) => ({ x: ['Steps', stepChoices([...campaign.figures.survival.step, campaign.figures.survival.end], VERY_WIDE_STEPS)] }),
  option(campaign, settings, colours) {
    const { survival } = campaign.figures;
    const first = settings.x === 'log' ? 0.8 * survival.step[0] : Math.min(0, survival.step[0]);
    const order = [...survival.num].sort(([a], [b]) => (a === 'STOPPED') - (b === 'STOPPED'));
    const points = (values, last) => [[first, values[0]], ...survival.step.map((step, number) => [step, values[number]]), [survival.end, last]];
    const area = (name, values, last, more) => ({ name, type: 'line', step: 'start', showSymbol: false, lineStyle: { width: 0 }, data: points(values, last), ...more });
    let below = survival.step.map(() => 0);
    const layers = order.map(([state, num]) => {
      below = below.map((value, number) => value + num[number]);
      return area(state, below, 0, { itemStyle: { color: colours.states[state] }, areaStyle: { color: colours.states[state], opacity: 1 } });
    });
    const [, stopped] = survival.num.find(([state]) => state === 'STOPPED') || ['', below.map(() => 0)];
    const all = below.map((value, number) => value + stopped[0] - stopped[number]);
    const saved = area('saved', all, survival.saved ? stopped[0] : 0, { itemStyle: { color: colours.line }, areaStyle: { color: colours.line, opacity: 0.5 } });
    // Each layer reaches down to the axis, so that what is below is drawn later.
    return basis(colours, {
      legend: { ...basis(colours).legend, icon: 'roundRect' },
      xAxis: stepAxis(settings.x, colours, { min: first, max: survival.end, scale: false }),
      yAxis: valueAxis('evaluations', colours, { min: 0, scale: false, minInterval: 1 }),
      tooltip: { ...basis(colours).tooltip, trigger: 'axis', formatter: (found) => survivalTip(survival, found[0].value[0]) },
      series: [...(survival.saved ? [saved] : []), ...layers.reverse()],
    });
  },
  table: (campaign) => {
    const { survival } = campaign.figures;
    return [['step', ...survival.num.map(([state]) => state)], spread(survival.step.map((step, number) => [formatNumber(step), ...survival.num.map(([, num]) => String(num[number]))]), 25)];
  },
};

function survivalTip(survival, step) {
  const number = survival.step.findIndex((each) => each >= step);
  return lines(`step ${formatNumber(step)}`, ...survival.num.map(([state, num]) => `${state}: ${number < 0 ? 0 : num[number]}`));
}

let curveChart = null;

/* The part of a dialog that shows the learning curve of an evaluation, beside that of the best one. */
function curvePart(campaign, place) {
  const curve = campaign.figures.learning && campaign.figures.learning.curves[place];
  if (!curve) return null;
  const canvas = element('div', { class: 'curve', role: 'img', 'aria-label': 'Its learning curve' });
  const rows = curve[0].map((step, number) => [formatNumber(step), formatNumber(curve[1][number])]);
  const figures = element('details', {}, element('summary', {}, 'As a table'), plainTable('What it reported', ['step', campaign.word], rows));
  return element('div', {}, element('h3', {}, 'Learning curve'), canvas, figures);
}

/* Draw that curve, in a dialog that is open. */
function drawCurve(campaign, place, body) {
  if (curveChart) curveChart.dispose();
  const canvas = body.querySelector('.curve');
  curveChart = canvas && echarts.init(canvas, null, { renderer: 'canvas', height: HEIGHT_OF_CURVE });
  if (!curveChart) return;
  const { curves } = campaign.figures.learning;
  const scheme = colours();
  const state = campaign.states[campaign.rows.state[place]];
  const line = (name, points, colour, more) => ({ name, type: 'line', symbol: 'circle', symbolSize: 4, data: points, lineStyle: { color: colour, ...more }, itemStyle: { color: colour } });
  const best = bestPlace(campaign);
  const own = curvePoints(curves[place]);
  const series = [line(state, own, scheme.states[state], { width: 2 })];
  if (best !== place && curves[best]) series.unshift(line('best', curvePoints(curves[best]), scheme.muted, { width: 1.2, type: 'dashed' }));
  const [[type]] = stepChoices(series.flatMap((each) => each.data.map(([step]) => step)));
  curveChart.setOption(basis(scheme, {
    backgroundColor: 'transparent', grid: { left: 70, right: 16, top: 32, bottom: 44 },
    xAxis: stepAxis(type, scheme, endsOf(series.map((each) => ({ points: each.data })))), yAxis: valueAxis(campaign.word, scheme),
    tooltip: { ...basis(scheme).tooltip, formatter: (params) => lines(params.seriesName, `step ${formatNumber(params.value[0])}: ${formatNumber(params.value[1])}`) },
    series,
  }));
}
