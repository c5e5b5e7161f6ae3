// Keeps a page up to date while checks are queued or running, and the words of
// its times. The page is complete without it.
'use strict';

const main = document.getElementById('main');
const live = document.getElementById('live');
const first = 2000, slowest = 30000; // ms between looks
let wait = first;
let timer;

// words says a time as when.go does, from the same thresholds.
function words(kind, then, now) {
  const passed = Math.floor((now - then) / 1000);
  const span = (s) => {
    if (s < 0) return '0 s';
    if (s < 60) return `${s} s`;
    if (s < 3600) return `${Math.floor(s / 60)} min`;
    if (s < 48 * 3600) return `${Math.floor(s / 3600)} h`;
    return `${Math.floor(s / 86400)} days`;
  };
  switch (kind) {
    case 'span': return span(passed);
    case 'future': return passed >= 0 ? 'any moment' : `in ${span(-passed)}`;
  }
  if (passed < 60) return 'just now';
  if (passed < 30 * 86400) return `${span(passed)} ago`;
  return null; // a date, which does not change
}

function tick(root) {
  for (const t of root.querySelectorAll('time[data-kind]')) {
    const said = words(t.dataset.kind, Date.parse(t.dateTime), Date.now());
    if (said !== null && said !== t.textContent) t.textContent = said;
  }
}

// where finds the way back to the focused element in a page that has changed:
// the nearest element with an id, and the place within it.
function where(element) {
  const home = element && element.closest('#main [id]');
  return home && { id: home.id, at: reachable(home).indexOf(element) };
}

function reachable(home) {
  return [...home.querySelectorAll('a[href], summary, button, input, select, textarea, [tabindex="0"]')];
}

function refocus(place) {
  const home = place && document.getElementById(place.id);
  if (!home || home.contains(document.activeElement)) return;
  const element = place.at < 0 ? home : reachable(home)[place.at];
  if (element) element.focus({ preventScroll: true });
}

// morph makes from look like to and touches no more than it has to, so that a
// selection, a focus or an unfolded detail elsewhere stays.
function morph(from, to) {
  if (from.isEqualNode(to)) return;
  const alike = from.nodeType === Node.ELEMENT_NODE && to.nodeType === Node.ELEMENT_NODE &&
    from.tagName === to.tagName && from.id === to.id && from.childNodes.length === to.childNodes.length && to.childNodes.length > 0;
  if (!alike) {
    from.replaceWith(to);
    return;
  }
  for (const { name } of [...from.attributes]) {
    if (!to.hasAttribute(name) && name !== 'open') from.removeAttribute(name);
  }
  for (const { name, value } of to.attributes) {
    if (name !== 'open' && from.getAttribute(name) !== value) from.setAttribute(name, value);
  }
  const next = [...to.childNodes];
  [...from.childNodes].forEach((child, i) => morph(child, next[i]));
}

// typing reports whether a form holds what somebody has typed: that is not to be
// swept away.
function typing() {
  return [...main.querySelectorAll('textarea, input')].some((e) => e.value !== e.defaultValue || e.checked !== e.defaultChecked);
}

// show puts the main part of a newer page in place, and tells a screen reader
// what is new in it.
function show(page) {
  const newer = page.getElementById('main');
  if (!newer || typing()) return false;
  tick(newer);
  tick(main);
  if (main.isEqualNode(newer)) return false;
  const details = new Map([...main.querySelectorAll('details[id]')].map((d) => [d.id, d.open]));
  const said = new Map([...main.querySelectorAll('[data-said]')].map((e) => [e.id, e.dataset.said]));
  const focused = where(document.activeElement);
  const news = [...newer.querySelectorAll('[data-said]')].filter((e) => said.get(e.id) !== e.dataset.said).map((e) => e.dataset.said);
  morph(main, newer);
  for (const [id, open] of details) {
    const d = document.getElementById(id);
    if (d) d.open = open;
  }
  refocus(focused);
  explain();
  if (news.length) live.textContent = news.join('. ');
  return true;
}

async function look() {
  try {
    const answer = await fetch(location.href, { cache: 'no-cache', credentials: 'same-origin', signal: AbortSignal.timeout(15000) });
    if (answer.ok && show(new DOMParser().parseFromString(await answer.text(), 'text/html'))) wait = first;
  } catch {
    // The server is away for a moment: look again later.
  }
  wait = Math.min(wait * 1.5, slowest);
  plan();
}

function plan() {
  clearTimeout(timer);
  if ('pending' in main.dataset && !document.hidden) timer = setTimeout(look, wait);
}

// explain says that there is no need to reload.
function explain() {
  for (const e of main.querySelectorAll('[data-auto]')) e.textContent = e.dataset.auto;
}

document.addEventListener('visibilitychange', () => {
  if (document.hidden) return clearTimeout(timer);
  tick(main);
  wait = first;
  if ('pending' in main.dataset) look();
});

explain();
plan();
setInterval(() => tick(main), 15000);
