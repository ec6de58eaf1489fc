'use strict';
/* Light and dark: as the system has it, or as the reader wants it. */

const THEMES = { system: 'as the system', light: 'light', dark: 'dark' };
const DARK = window.matchMedia('(prefers-color-scheme: dark)');

const STATE_SYMBOLS = {
  DONE: 'circle', STOPPED: 'emptyTriangle', PAUSED: 'emptyDiamond', FAILED: 'triangle', TIMEOUT: 'diamond', LOST: 'rect', CANCELLED: 'roundRect', RUNNING: 'emptyCircle', PENDING: 'emptyCircle',
};
const LIGHT_COLOURS = {
  states: { DONE: '#1c5fb8', STOPPED: '#0e7490', PAUSED: '#525a66', FAILED: '#c2410c', TIMEOUT: '#a16207', LOST: '#7e22ce', CANCELLED: '#6b7280', RUNNING: '#15803d', PENDING: '#9ca3af' },
  series: ['#1c5fb8', '#c2410c', '#15803d', '#7e22ce', '#a16207', '#0e7490', '#be185d', '#525a66'],
  ramp: ['#a9c7ee', '#5b8fd6', '#1c5fb8', '#0b2f66'], // from what is far to what counts
};
const DARK_COLOURS = {
  states: { DONE: '#82b4ff', STOPPED: '#5fd0e0', PAUSED: '#a7b0bd', FAILED: '#ff9466', TIMEOUT: '#f2c14e', LOST: '#d0a2ff', CANCELLED: '#9ca3af', RUNNING: '#6fd08c', PENDING: '#6b7280' },
  series: ['#82b4ff', '#ff9466', '#6fd08c', '#d0a2ff', '#f2c14e', '#5fd0e0', '#ff8fc0', '#a7b0bd'],
  ramp: ['#27406b', '#3f6db0', '#82b4ff', '#e3eeff'],
};

let isPrinting = false;

function isDark() {
  const wanted = document.documentElement.dataset.theme;
  return !isPrinting && (wanted ? wanted === 'dark' : DARK.matches);
}

/* The colours of charts. */
function colours() {
  const style = getComputedStyle(document.documentElement);
  const named = Object.fromEntries(['page', 'panel', 'line', 'text', 'muted', 'accent', 'best', 'grid'].map(
    (name) => [name, style.getPropertyValue(`--${name}`).trim()]));
  const paper = { page: '#ffffff', panel: '#ffffff', line: '#bbbbbb', text: '#000000', muted: '#444444', accent: '#00337f', best: '#990000', grid: '#dddddd' };
  return { ...(isPrinting ? paper : named), ...(isDark() ? DARK_COLOURS : LIGHT_COLOURS) };
}

/* Let the button change the theme; `onChange` draws charts again. */
function startTheme(onChange) {
  const button = document.getElementById('theme');
  const choose = (name) => {
    if (name === 'system') delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = name;
    button.textContent = `Theme: ${THEMES[name]}`;
    onChange();
  };
  let chosen = 'system';
  button.hidden = false;
  button.addEventListener('click', () => {
    const names = Object.keys(THEMES);
    chosen = names[(names.indexOf(chosen) + 1) % names.length];
    choose(chosen);
    say(button.textContent);
  });
  DARK.addEventListener('change', onChange);
}
