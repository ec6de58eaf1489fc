'use strict';
/* The charts: for each, what the chart library is told (`option`), its figures as a table, and what readers may choose. */

/* What is beyond is drawn at the edge: differences of larger numbers are infinite. */
const LARGEST = 1e300;
const clamped = (value) => (value === null ? null : Math.max(-LARGEST, Math.min(LARGEST, value)));

function axis(name, colours, more = {}) {
  return {
    name: drawnText(name, 60), nameLocation: 'middle', nameGap: 30, nameTextStyle: { color: colours.muted }, scale: true,
    axisLine: { lineStyle: { color: colours.line } }, axisLabel: { color: colours.muted, hideOverlap: true },
    splitLine: { lineStyle: { color: colours.grid } }, ...more,
    ...(more.axisLabel ? { axisLabel: { color: colours.muted, hideOverlap: true, ...more.axisLabel } } : {}),
  };
}

const timeAxis = (colours, more = {}) => axis('time since the beginning', colours, { type: 'value', axisLabel: { formatter: shortDuration }, splitNumber: 4, min: 0, ...more });
const untilEnd = (campaign) => (campaign.lasted ? { max: campaign.lasted, axisLabel: { formatter: shortDuration, showMaxLabel: false } } : {});
const valueAxis = (name, colours, more = {}) => axis(name, colours, { type: 'value', nameGap: 52, axisLabel: { formatter: shortNumber, width: 46 }, ...more });

function shortNumber(value) {
  const size = Math.abs(value);
  return size !== 0 && (size >= 1e5 || size < 1e-3) ? value.toExponential(1).replace('e+', 'e') : String(Number(value.toPrecision(4)));
}

function shortDuration(seconds) {
  if (seconds === 0) return '0';
  const [unit, name] = seconds < 1 ? [0.001, 'ms'] : seconds < 180 ? [1, 's'] : seconds < 10800 ? [60, 'min'] : seconds < 259200 ? [3600, 'h'] : [86400, 'd'];
  return `${Number((seconds / unit).toPrecision(3))} ${name}`;
}

/* What all charts have in common. A tip is an element, so that names in it stay texts. */
function basis(colours, more = {}) {
  return {
    animation: false, backgroundColor: colours.page, color: colours.series, textStyle: { color: colours.text, fontFamily: 'system-ui, sans-serif' },
    grid: { left: 70, right: 16, top: 40, bottom: 48 },
    legend: { top: 0, type: 'scroll', textStyle: { color: colours.text }, pageTextStyle: { color: colours.muted }, pageIconColor: colours.text, pageIconInactiveColor: colours.line, inactiveColor: colours.muted },
    tooltip: { confine: true, backgroundColor: colours.panel, borderColor: colours.line, textStyle: { color: colours.text }, extraCssText: 'max-width: 20rem; white-space: normal; overflow-wrap: anywhere;' },
    ...more,
  };
}

/* A text of a campaign in a chart. The library keeps the widths of texts by these as names of an object's properties, and
   would change what every object has if a text were called __proto__; so a space without width makes it another one. */
function drawnText(text, most) {
  const short = shortened(text, most);
  return short in Object.prototype ? `\u200b${short}` : short;
}

const lines = (...texts) => element('div', {}, ...texts.filter(Boolean).map((text) => element('div', {}, text)));

function evaluationTip(campaign, place) {
  const { rows } = campaign;
  const cause = campaign.causes[rows.cause[place]];
  return lines(`evaluation ${rows.id[place]}, ${campaign.states[rows.state[place]]}`,
    rows.value[place] === null ? '' : `${campaign.word} ${formatNumber(rows.value[place])}`, cause ? shortened(cause.line, 120) : '', 'click for all of it');
}

const pointTip = (campaign) => (params) => (params.data && params.data.place >= 0 ? evaluationTip(campaign, params.data.place) : lines(params.seriesName));

/* Places of evaluations that charts show. */
function drawnPlaces(campaign, isWanted = () => true) {
  const places = [];
  campaign.rows.drawn.forEach((isDrawn, place) => { if (isDrawn && isWanted(place)) places.push(place); });
  return places;
}

const hasValue = (campaign) => (place) => campaign.rows.value[place] !== null;
/* How values are shown: all, most, or on a logarithmic scale; and the axis for that. */
function valueChoices(campaign) {
  const choices = [['most', 'most of them'], ['all', 'all of them']];
  const values = drawnPlaces(campaign, hasValue(campaign)).map((place) => campaign.rows.value[place]);
  if (values.length && values.every((value) => value > 0)) choices.push(['log', 'logarithms']);
  return choices;
}

function campaignValueAxis(campaign, mode, colours) {
  if (mode === 'log') return valueAxis(campaign.word, colours, { type: 'log' });
  const range = mode === 'most' ? centralRange(drawnPlaces(campaign, hasValue(campaign)).map((place) => clamped(campaign.rows.value[place])), campaign.maximises) : {};
  return valueAxis(campaign.word, colours, range);
}

/* The range from the best value to what nine tenths of all are better than, if the rest would leave little to see. */
function centralRange(values, isLargeGood) {
  if (values.length < 20) return {};
  const sorted = [...values].sort((a, b) => (isLargeGood ? b - a : a - b));
  const [best, most, worst] = [sorted[0], sorted[Math.floor(0.9 * (sorted.length - 1))], sorted[sorted.length - 1]];
  if (best === most || Math.abs(worst / 4 - best / 4) < Math.abs(most / 2 - best / 2)) return {};
  const [low, high] = [Math.min(best, most), Math.max(best, most)];
  const room = 0.05 * (high - low);
  return { min: low - room, max: high + room, axisLabel: { formatter: shortNumber, width: 46, showMinLabel: false, showMaxLabel: false } };
}

const TIME_OR_COUNT = [['count', 'evaluations'], ['seconds', 'time']];
const ACROSS = { ...Object.fromEntries(TIME_OR_COUNT), steps: 'steps' };

const CHARTS = {
  convergence: {
    choices: (campaign) => ({ x: ['Across', TIME_OR_COUNT], y: ['Values', valueChoices(campaign)] }),
    option(campaign, settings, colours) {
      const { incumbent } = campaign.figures;
      const byTime = settings.x === 'seconds';
      const { rows } = campaign;
      const at = (place) => (byTime ? rows.seconds[place] : rows.number[place]);
      const points = drawnPlaces(campaign, hasValue(campaign)).map((place) => ({ value: [at(place), clamped(campaign.rows.value[place])], place }));
      const steps = incumbent[settings.x].map((x, number) => ({ value: [x, clamped(incumbent.value[number])], place: incumbent.place[number] }));
      if (steps.length) steps.push({ value: [byTime ? campaign.lasted : campaign.numEnded, clamped(incumbent.value[incumbent.value.length - 1])], place: incumbent.place[steps.length - 1] });
      return basis(colours, {
        xAxis: byTime ? timeAxis(colours) : axis('evaluations that have ended', colours, { type: 'value', min: 0, minInterval: 1 }),
        yAxis: campaignValueAxis(campaign, settings.y, colours),
        tooltip: { ...basis(colours).tooltip, formatter: pointTip(campaign) },
        series: [
          { name: 'each', type: 'scatter', symbolSize: 5, itemStyle: { opacity: 0.45 }, data: points, large: false },
          { name: 'best so far', type: 'line', step: 'end', symbolSize: 7, symbol: 'circle', showSymbol: steps.length < 200, lineStyle: { width: 2.5, color: colours.best }, itemStyle: { color: colours.best }, data: steps },
        ],
      });
    },
    table: (campaign) => {
      const { incumbent } = campaign.figures;
      return [['evaluation', 'number', 'after', campaign.word], incumbent.value.map((value, number) => [
        String(campaign.rows.id[incumbent.place[number]] ?? '–'), String(incumbent.count[number]), formatDuration(incumbent.seconds[number]), formatNumber(value)])];
    },
  },

  pareto: {
    choices: (campaign) => {
      const named = campaign.figures.pareto.objectives.map((objective, number) => [String(number), objective.name]);
      return { x: ['Across', named], y: ['Up', [...named.slice(1), named[0]]] };
    },
    option(campaign, settings, colours) {
      const { pareto } = campaign.figures;
      const [x, y] = [settings.x, settings.y].map((number) => pareto.objectives[Number(number)]);
      const points = pareto.place.map((place, number) => ({ value: [clamped(x.values[number]), clamped(y.values[number])], place }));
      const better = (objective) => `${objective.name} (${objective.maximises ? 'larger' : 'smaller'} is better)`;
      return basis(colours, {
        xAxis: axis(better(x), colours, { type: 'value', axisLabel: { formatter: shortNumber } }), yAxis: valueAxis(better(y), colours),
        tooltip: { ...basis(colours).tooltip, formatter: (params) => (params.data && params.data.place >= 0 ? lines(...pareto.objectives.map((each) => `${each.name} ${formatNumber(each.values[pareto.place.indexOf(params.data.place)])}`), evaluationTip(campaign, params.data.place)) : lines(params.seriesName)) },
        series: [
          { name: 'dominated', type: 'scatter', symbolSize: 5, itemStyle: { color: colours.muted, opacity: 0.45 }, data: points.filter((_, number) => !pareto.isFront[number]) },
          { name: 'Pareto set', type: 'scatter', symbolSize: 9, itemStyle: { color: colours.best }, data: points.filter((_, number) => pareto.isFront[number]) },
        ],
      });
    },
    table: (campaign) => {
      const { pareto } = campaign.figures;
      const found = pareto.place.map((place, number) => [number, place]).filter(([number]) => pareto.isFront[number]);
      return [['evaluation', ...pareto.objectives.map((each) => each.name)], found.map(([number, place]) => [
        String(campaign.rows.id[place]), ...pareto.objectives.map((each) => formatNumber(each.values[number]))])];
    },
  },

  hypervolume: {
    option(campaign, settings, colours) {
      const { hypervolume } = campaign.figures;
      return basis(colours, {
        xAxis: axis('evaluations that have ended', colours, { type: 'value', min: 0, minInterval: 1 }), yAxis: valueAxis('hypervolume', colours),
        series: [{ name: 'hypervolume', type: 'line', step: 'end', showSymbol: false, lineStyle: { width: 2.5, color: colours.best }, itemStyle: { color: colours.best }, data: hypervolume.count.map((count, number) => [count, clamped(hypervolume.value[number])]) }],
        tooltip: { ...basis(colours).tooltip, trigger: 'axis', formatter: (found) => lines(`${formatNumber(found[0].value[0])} evaluations`, `hypervolume ${formatNumber(found[0].value[1])}`) },
      });
    },
    table: (campaign) => [['evaluations', 'hypervolume'], campaign.figures.hypervolume.count.map((count, number) => [String(count), formatNumber(campaign.figures.hypervolume.value[number])])],
  },

  states: {
    choices: (campaign) => ({ y: ['Values', valueChoices(campaign)] }),
    option(campaign, settings, colours) {
      const { rows, states } = campaign;
      const without = [...new Set(drawnPlaces(campaign, (place) => rows.value[place] === null).map((place) => states[rows.state[place]]))];
      const series = states.map((state, code) => {
        const places = drawnPlaces(campaign, (place) => rows.state[place] === code);
        const hasOwn = !without.includes(state);
        const data = places.map((place) => ({ value: [rows.seconds[place], hasOwn ? clamped(rows.value[place]) : state], place }));
        return { name: state, type: 'scatter', symbol: STATE_SYMBOLS[state], symbolSize: hasOwn ? 5 : 8, xAxisIndex: hasOwn ? 0 : 1, yAxisIndex: hasOwn ? 0 : 1,
          itemStyle: { color: colours.states[state], opacity: hasOwn ? 0.55 : 0.8 }, data };
      }).filter((each) => each.data.length);
      const lane = without.length ? 24 * without.length : 0;
      const end = untilEnd(campaign);
      return basis(colours, {
        grid: [{ left: 86, right: 16, top: 40, bottom: 56 + lane }, { left: 86, right: 16, bottom: 48, height: lane }],
        xAxis: [timeAxis(colours, { ...end, ...(lane ? { name: '', axisLabel: { show: false } } : {}) }), timeAxis(colours, { gridIndex: 1, show: lane > 0, ...end })],
        yAxis: [campaignValueAxis(campaign, settings.y, colours), axis('', colours, { type: 'category', gridIndex: 1, data: without, show: lane > 0 })],
        tooltip: { ...basis(colours).tooltip, formatter: pointTip(campaign) },
        series,
      });
    },
    table: (campaign) => [['state', 'evaluations'], campaign.counts.map(([state, num]) => [state, String(num)])],
  },

  slices: {
    choices: (campaign) => ({
      dimension: ['Dimension', campaign.dimensions.map((dimension, number) => [number, dimension.name])],
      y: ['Values', valueChoices(campaign)],
    }),
    option(campaign, settings, colours) {
      const dimension = campaign.dimensions[Number(settings.dimension)];
      const places = drawnPlaces(campaign, hasValue(campaign));
      const isChoice = dimension.labels.length > 0;
      // Points of one choice lie beside each other.
      const beside = (place) => (((place * 0.6180339887) % 1) - 0.5) * 0.6;
      const data = places.map((place) => ({
        value: [isChoice ? dimension.values[place] + beside(place) : clamped(Number(dimension.values[place])), clamped(campaign.rows.value[place]), campaign.rows.number[place]], place,
      }));
      const label = (value) => (Number.isInteger(value) ? drawnText(dimension.labels[value] ?? '', 16) : '');
      const choices = { type: 'value', min: -0.5, max: dimension.labels.length - 0.5, scale: false, interval: Math.max(1, Math.ceil(dimension.labels.length / 14)), axisLabel: { formatter: label, showMinLabel: false, showMaxLabel: false }, splitLine: { show: false } };
      const isWhole = places.every((place) => Number.isInteger(Number(dimension.values[place])));
      const isLog = dimension.is_log && places.every((place) => Number(dimension.values[place]) > 0);
      return basis(colours, {
        legend: { show: false },
        grid: { left: 70, right: 16, top: 16, bottom: 84 },
        xAxis: axis(drawnText(dimension.name, 40), colours, isChoice ? { ...choices, ...labelsAtChoices(dimension) } : { type: isLog ? 'log' : 'value', minInterval: isWhole ? 1 : 0, axisLabel: { formatter: shortNumber } }),
        yAxis: campaignValueAxis(campaign, settings.y, colours),
        visualMap: { dimension: 2, min: 1, max: Math.max(2, campaign.numEnded), inRange: { color: colours.ramp }, orient: 'horizontal', left: 'center', bottom: 0, text: ['evaluated last', 'first'], textStyle: { color: colours.muted }, itemHeight: 90, itemWidth: 10, calculable: false },
        tooltip: { ...basis(colours).tooltip, formatter: pointTip(campaign) },
        series: [{ name: 'each', type: 'scatter', symbolSize: 6, itemStyle: { opacity: 0.75 }, data }],
      });
    },
    table: (campaign) => [['dimension', 'searched', 'best', 'a tenth of the best results: from', 'to'], campaign.dimensions.map((dimension, number) => sliceRow(campaign, dimension, number))],
  },

  importance: {
    option(campaign, settings, colours) {
      const reversed = campaign.figures.importance.slice(0, 25).reverse();
      return basis(colours, {
        legend: { show: false }, grid: { left: 8, right: 24, top: 8, bottom: 40, containLabel: true },
        xAxis: axis('share, and its standard error', colours, { type: 'value', min: 0, scale: false, axisLabel: { formatter: shortNumber } }),
        yAxis: axis('', colours, { type: 'category', data: reversed.map((each) => drawnText(each.name, 24)), axisLabel: { hideOverlap: false, interval: 'auto' } }),
        tooltip: { ...basis(colours).tooltip, formatter: (params) => lines(`${reversed[params.dataIndex].name}: ${shareText(reversed[params.dataIndex])}`) },
        series: [
          { type: 'bar', barMaxWidth: 24, data: reversed.map((each) => each.value), itemStyle: { color: colours.accent, opacity: 0.6 } },
          { type: 'custom', renderItem: drawnWhisker(colours), encode: { x: [1, 2], y: 0 }, data: reversed.map((each, number) => [number, Math.max(0, each.value - each.spread), Math.min(1, each.value + each.spread)]), z: 3 },
        ],
      });
    },
    table: (campaign) => [['dimension', 'importance'], campaign.figures.importance.map((each) => [each.name, shareText(each)])],
  },

  parallel: {
    choices: () => ({ which: ['Evaluations', [['best', 'the best 200'], ['all', 'of all qualities']]] }),
    option(campaign, settings, colours) {
      const sign = campaign.maximises ? -1 : 1;
      const sorted = drawnPlaces(campaign, hasValue(campaign)).sort((a, b) => sign * (campaign.rows.value[a] - campaign.rows.value[b]));
      const step = Math.max(1, Math.ceil(sorted.length / 600));
      const chosen = settings.which === 'best' ? sorted.slice(0, 200) : sorted.filter((_, number) => number < 50 || number % step === 0);
      // The best are drawn last, above the others, and coloured by their rank: values may differ by powers of ten.
      const quality = new Map(chosen.map((place, number) => [place, chosen.length - number]));
      const shown = parallelDimensions(campaign);
      const value = (dimension, place) => (dimension.labels.length ? dimension.values[place] : clamped(Number(dimension.values[place])));
      const dims = shown.map((dimension, number) => parallelAxis(dimension, number, colours));
      const last = shown.length;
      return basis(colours, {
        legend: { show: false },
        parallel: { left: 52, right: 72, top: 44, bottom: 56, parallelAxisDefault: { nameTextStyle: { color: colours.text }, areaSelectStyle: { color: colours.accent, borderColor: colours.accent } } },
        parallelAxis: [...dims, { dim: last, name: drawnText(campaign.word, 40), type: 'value', scale: true, axisLabel: { formatter: shortNumber, color: colours.muted }, axisLine: { lineStyle: { color: colours.muted } } }],
        visualMap: { dimension: last + 1, min: 1, max: Math.max(2, chosen.length), inRange: { color: colours.ramp }, orient: 'horizontal', left: 'center', bottom: 0, text: ['best', 'worst'], textStyle: { color: colours.muted }, itemHeight: 90, itemWidth: 10 },
        tooltip: { ...basis(colours).tooltip, formatter: pointTip(campaign) },
        series: [{ type: 'parallel', lineStyle: { width: 1.3, opacity: 0.55 }, inactiveOpacity: 0.03, activeOpacity: 0.9,
          data: [...chosen].reverse().map((place) => ({ value: [...shown.map((dimension) => value(dimension, place)), clamped(campaign.rows.value[place]), quality.get(place)], place })) }],
      });
    },
    table: (campaign) => {
      const sign = campaign.maximises ? -1 : 1;
      const best = drawnPlaces(campaign, hasValue(campaign)).sort((a, b) => sign * (campaign.rows.value[a] - campaign.rows.value[b])).slice(0, 10);
      return [['evaluation', campaign.word, ...campaign.dimensions.map((dimension) => dimension.name)],
        best.map((place) => [String(campaign.rows.id[place]), formatNumber(campaign.rows.value[place]), ...pointOf(campaign, place).map(([, value]) => formatValue(value))])];
    },
  },

  utilisation: {
    option(campaign, settings, colours) {
      const { utilisation } = campaign.figures;
      const step = (name, values, more) => ({ name, type: 'line', step: 'end', showSymbol: false, data: [...utilisation.seconds, campaign.lasted].map((seconds, number) => [seconds, values[Math.min(number, values.length - 1)]]), ...more });
      return basis(colours, {
        xAxis: timeAxis(colours, untilEnd(campaign)), yAxis: valueAxis('workers', colours, { min: 0, scale: false, minInterval: 1 }),
        tooltip: { ...basis(colours).tooltip, trigger: 'axis', formatter: (found) => lines(`after ${formatDuration(found[0].value[0])}`, ...found.map((each) => `${each.seriesName}: ${formatNumber(each.value[1])}`)) },
        series: [
          step('busy', utilisation.busy, { areaStyle: { opacity: 0.35 }, lineStyle: { width: 1 }, itemStyle: { color: colours.accent } }),
          step('there', utilisation.available, { lineStyle: { type: 'dashed', width: 1.5, color: colours.muted }, itemStyle: { color: colours.muted } }),
        ],
      });
    },
    table: (campaign) => {
      const { utilisation } = campaign.figures;
      return [['from', 'busy workers', 'workers'], spread(utilisation.seconds.map((seconds, number) => [formatDuration(seconds), formatNumber(utilisation.busy[number]), formatNumber(utilisation.available[number])]), 25)];
    },
  },

  idle: {
    option(campaign, settings, colours) {
      const { idle } = campaign.figures;
      return basis(colours, {
        legend: { show: false }, grid: { left: 8, right: 56, top: 8, bottom: 40, containLabel: true },
        xAxis: axis('share of all worker time [%]', colours, { type: 'value', min: 0, max: 100, scale: false }),
        yAxis: axis('', colours, { type: 'category', inverse: true, data: idle.map((each) => each.name), axisLabel: { width: 130, overflow: 'break', lineHeight: 15, hideOverlap: false, interval: 0 } }),
        tooltip: { ...basis(colours).tooltip, formatter: (params) => lines(idle[params.dataIndex].name, `${formatDuration(idle[params.dataIndex].seconds)} of workers, ${formatNumber(Number(params.value.toPrecision(3)))} %`) },
        series: [{ type: 'bar', barMaxWidth: 28, label: { show: true, position: 'right', color: colours.text, formatter: (params) => `${Number(params.value.toPrecision(2))} %` },
          data: idle.map((each, number) => ({ value: 100 * each.share, itemStyle: { color: number === 0 ? colours.accent : colours.series[1] } })) }],
      });
    },
    table: (campaign) => [['what workers did', 'worker time', 'share'], campaign.figures.idle.map((each) => [each.name, formatDuration(each.seconds), `${Number((100 * each.share).toPrecision(3))} %`])],
  },

  timeline: {
    option(campaign, settings, colours) {
      const { timeline } = campaign.figures;
      const { workers } = timeline;
      const state = (code) => campaign.states[code] || 'DONE';
      const draw = (params, api) => {
        const [begin, end] = [api.coord([api.value(1), api.value(0)]), api.coord([api.value(2), api.value(0)])];
        const height = Math.max(2, 0.7 * api.size([0, 1])[1]);
        const shape = { x: begin[0], y: begin[1] - height / 2, width: Math.max(1, end[0] - begin[0] - (end[0] - begin[0] > 4 ? 1 : 0)), height };
        return { type: 'rect', shape, style: { fill: colours.states[state(api.value(3))] } };
      };
      const data = timeline.bars.map(([worker, begin, end, code, count, place]) => ({ value: [worker, begin, end, code, count], place }));
      return basis(colours, {
        legend: { show: false }, grid: { left: 8, right: 16, top: 8, bottom: 84, containLabel: true },
        xAxis: timeAxis(colours, untilEnd(campaign)), yAxis: axis('', colours, { type: 'category', inverse: true, data: workers.map((worker) => drawnText(worker, 60)), axisLabel: { hideOverlap: true, interval: 'auto', width: 110, overflow: 'truncate' } }),
        dataZoom: [{ type: 'slider', height: 18, bottom: 6, showDataShadow: false, labelFormatter: (value) => shortDuration(value), textStyle: { color: colours.muted }, borderColor: colours.line, fillerColor: 'rgba(120, 140, 170, 0.25)' }],
        tooltip: { ...basis(colours).tooltip, formatter: (params) => {
          const [worker, begin, end, code, count] = params.data.value;
          const what = count > 1 ? `${count} evaluations` : `evaluation ${params.data.place >= 0 ? campaign.rows.id[params.data.place] : ''}, ${state(code)}`;
          return lines(workers[worker], what, `from ${formatDuration(begin)} to ${formatDuration(end)}`);
        } },
        series: [{ type: 'custom', renderItem: draw, encode: { x: [1, 2], y: 0 }, data, clip: true }],
      });
    },
    table: (campaign) => [['worker', 'evaluations', 'busy'], workerRows(campaign)],
  },

  failures: {
    option(campaign, settings, colours) {
      const { failures } = campaign.figures;
      return basis(colours, {
        grid: { left: 60, right: 16, top: 40, bottom: 48 },
        xAxis: axis('time since the beginning', colours, { type: 'category', data: failures.seconds.map(shortDuration) }),
        yAxis: valueAxis('failures', colours, { min: 0, scale: false, minInterval: 1, nameGap: 40 }),
        tooltip: { ...basis(colours).tooltip, formatter: (params) => lines(failures.causes[params.seriesIndex].name, `${params.value} after ${params.name}`) },
        series: failures.causes.map((cause, number) => ({ name: `${number + 1}: ${shortened(cause.name, 40)}`, type: 'bar', stack: 'all', data: cause.counts, barCategoryGap: '10%', itemStyle: { color: colours.series[(number + 1) % colours.series.length] } })),
      });
    },
    table: (campaign) => [['cause', 'failures'], campaign.figures.failures.causes.map((cause) => [cause.name, String(cause.counts.reduce((a, b) => a + b, 0))])],
  },

  rewards: {
    option(campaign, settings, colours) {
      const { policy } = campaign.figures;
      const line = (name, key, more = {}) => ({ name, type: 'line', showSymbol: false, data: policy.seconds.map((seconds, number) => [seconds, clamped(policy[key][number])]), ...more });
      const [first] = colours.series;
      return basis(colours, {
        xAxis: timeAxis(colours), yAxis: valueAxis('reward', colours),
        tooltip: policyTip(colours),
        series: [
          line('largest', 'reward_max', { lineStyle: { width: 1, color: colours.best }, itemStyle: { color: colours.best } }),
          line('90 % quantile', 'reward_q90', { lineStyle: { width: 1, type: 'dashed', color: first }, itemStyle: { color: first } }),
          line('median', 'reward_median', { lineStyle: { width: 2.5, color: first }, itemStyle: { color: first } }),
          line('10 % quantile', 'reward_q10', { lineStyle: { width: 1, type: 'dotted', color: first }, itemStyle: { color: first } }),
        ],
      });
    },
    table: (campaign) => policyTable(campaign, ['reward_q10', 'reward_median', 'reward_q90', 'reward_max']),
  },

  policy: {
    option(campaign, settings, colours) {
      const { policy } = campaign.figures;
      const keys = [['entropy [nat]', 'entropy'], ['KL [nat]', 'kl'], ['clip fraction', 'clip_fraction']];
      const share = 100 / keys.length;
      return basis(colours, {
        legend: { show: false },
        grid: keys.map((_, number) => ({ left: 70, right: 16, top: `${number * share + 3}%`, height: `${share - 14}%` })),
        xAxis: keys.map((_, number) => timeAxis(colours, { gridIndex: number, name: number === keys.length - 1 ? 'time since the beginning' : '', nameGap: 24 })),
        yAxis: keys.map(([name], number) => valueAxis(name, colours, { gridIndex: number, splitNumber: 2 })),
        tooltip: policyTip(colours), axisPointer: { link: [{ xAxisIndex: 'all' }] },
        series: keys.map(([name, key], number) => ({ name, type: 'line', showSymbol: false, xAxisIndex: number, yAxisIndex: number, itemStyle: { color: colours.series[number] }, lineStyle: { width: 1.5, color: colours.series[number] }, data: policy.seconds.map((seconds, at) => [seconds, clamped(policy[key][at])]) })),
      });
    },
    table: (campaign) => policyTable(campaign, ['entropy', 'kl', 'clip_fraction']),
  },

  comparison: {
    choices: (report) => ({ x: ['Across', Object.keys(report.comparison.curves).map((key) => [key, ACROSS[key]])] }),
    option(report, settings, colours) {
      const curves = report.comparison.curves[settings.x];
      const series = curves.flatMap((curve, number) => {
        const colour = colours.series[number % colours.series.length];
        const points = (values) => curve.x.map((x, at) => [x, clamped(values[at])]);
        const edge = { type: 'line', step: 'end', showSymbol: false, silent: true, name: curve.name, itemStyle: { color: colour }, lineStyle: { width: 0.8, type: 'dashed', color: colour } };
        const median = { name: curve.name, type: 'line', step: 'end', showSymbol: false, data: points(curve.median), lineStyle: { width: 2.5, color: colour }, itemStyle: { color: colour } };
        return curve.low ? [median, { ...edge, data: points(curve.low) }, { ...edge, data: points(curve.high) }] : [median];
      });
      return basis(colours, {
        xAxis: settings.x === 'seconds' ? timeAxis(colours) : axis(settings.x === 'count' ? 'evaluations that have ended' : 'steps of all evaluations', colours, { type: 'value', min: 0, minInterval: 1 }),
        yAxis: valueAxis(`best ${report.comparison.word} so far`, colours, centralRange(curves.flatMap((curve) => curve.median.filter((value) => value !== null).map(clamped)), report.comparison.maximises)),
        tooltip: { ...basis(colours).tooltip, trigger: 'axis', formatter: (found) => {
          const seen = found.filter((each, number) => found.findIndex((other) => other.seriesName === each.seriesName) === number);
          const at = settings.x === 'seconds' ? formatDuration(found[0].value[0]) : `${formatNumber(found[0].value[0])} ${ACROSS[settings.x]}`;
          return lines(`after ${at}`, ...seen.map((each) => `${each.seriesName}: ${formatNumber(each.value[1])}`));
        } },
        series,
      });
    },
    table: (report, settings) => {
      const curves = report.comparison.curves[settings.x];
      return [['', 'after', 'median of the best so far'], curves.flatMap((curve) => spread(curve.x.map((x, at) => [curve.name, settings.x === 'seconds' ? formatDuration(x) : formatNumber(x), formatNumber(curve.median[at])]), 8))];
    },
  },
};

/* Labels exactly at the choices, where the axis supports that; elsewhere the nearest whole numbers are labelled. */
function labelsAtChoices(dimension) {
  const step = Math.max(1, Math.ceil(dimension.labels.length / 14));
  const values = dimension.labels.map((_, number) => number).filter((number) => number % step === 0);
  return { axisTick: { customValues: values }, axisLabel: { customValues: values, formatter: (value) => drawnText(dimension.labels[value] ?? '', 16) } };
}

const shareText = (each) => `${(100 * each.value).toFixed(0)} ± ${(100 * each.spread).toFixed(0)} %`;

/* A line between two values of a bar, with short strokes at its ends. */
function drawnWhisker(colours) {
  return (params, api) => {
    const [left, right] = [1, 2].map((number) => api.coord([api.value(number), api.value(0)]));
    const stroke = (x1, y1, x2, y2) => ({ type: 'line', shape: { x1, y1, x2, y2 }, style: { stroke: colours.text, lineWidth: 1.5 } });
    const end = ([x, y]) => stroke(x, y - 5, x, y + 5);
    return { type: 'group', silent: true, children: [stroke(...left, ...right), end(left), end(right)] };
  };
}

/* Dimensions that fit beside each other: the most important ones. */
function parallelDimensions(campaign) {
  const most = window.innerWidth < 640 ? 4 : 16;
  const ranked = (campaign.figures.importance || []).map((each) => campaign.dimensions[each.dimension]).filter(Boolean);
  const order = [...new Set([...ranked, ...campaign.dimensions])].slice(0, most);
  return campaign.dimensions.filter((dimension) => order.includes(dimension));
}

function parallelAxis(dimension, number, colours) {
  const positive = dimension.values.every((value) => Number(value) > 0);
  const label = dimension.labels.length ? (value) => drawnText(dimension.labels[value] ?? '', 10) : shortNumber;
  const kind = dimension.labels.length ? { type: 'value', min: 0, max: Math.max(1, dimension.labels.length - 1), minInterval: 1 } : { type: dimension.is_log && positive ? 'log' : 'value', scale: true, minInterval: dimension.values.every((value) => Number.isInteger(Number(value))) ? 1 : 0 };
  const name = drawnText(dimension.name, 12);
  return { dim: number, name: number % 2 ? `${name}\n` : name, ...kind, axisLabel: { formatter: label, color: colours.muted, hideOverlap: true }, axisLine: { lineStyle: { color: colours.muted } } };
}

function sliceRow(campaign, dimension, number) {
  const sign = campaign.maximises ? -1 : 1;
  const best = drawnPlaces(campaign, hasValue(campaign)).sort((a, b) => sign * (campaign.rows.value[a] - campaign.rows.value[b]));
  const good = best.slice(0, Math.max(1, Math.ceil(best.length / 10))).map((place) => dimension.values[place]);
  const text = (value) => (value === undefined ? '–' : dimension.labels.length ? dimension.labels[value] : formatNumber(value));
  const sorted = [...good].sort((a, b) => Number(a) - Number(b));
  const ends = dimension.labels.length ? [[...new Set(sorted)].map(text).join(', '), ''] : [text(sorted[0]), text(sorted[sorted.length - 1])];
  return [dimension.name, dimension.spec, text(good[0]), shortened(ends[0], 80), ends[1]];
}

function workerRows(campaign) {
  const { timeline } = campaign.figures;
  const totals = timeline.workers.map(() => [0, 0]);
  for (const [worker, begin, end, , count] of timeline.bars) {
    totals[worker][0] += count;
    totals[worker][1] += end - begin;
  }
  return timeline.workers.map((worker, number) => [worker, String(totals[number][0]), formatDuration(totals[number][1])]);
}

function policyTip(colours) {
  return { ...basis(colours).tooltip, trigger: 'axis', formatter: (found) => lines(`after ${formatDuration(found[0].value[0])}`, ...found.map((each) => `${each.seriesName}: ${formatNumber(each.value[1])}`)) };
}

function policyTable(campaign, keys) {
  const { policy } = campaign.figures;
  return [['after', ...keys.map((key) => key.replace('_', ' '))], spread(policy.seconds.map((seconds, number) => [formatDuration(seconds), ...keys.map((key) => formatNumber(policy[key][number]))]), 25)];
}

/* At most so many items, the first and the last among them. */
function spread(items, most) {
  if (items.length <= most) return items;
  return Array.from({ length: most }, (_, number) => items[Math.round((number * (items.length - 1)) / (most - 1))]);
}
