// Keys, times in the reader's zone, the number beside the slider, and the live page. Every page works without it.
'use strict';
(() => {
  // The texts, in the language of the page, are attributes of the element `script`.
  const texts = document.currentScript.dataset;
  const text = (name, value) => texts[name].replace('{}', value);
  const find = (selector) => [...document.querySelectorAll(selector)];
  const saved = (name) => { try { return localStorage.getItem(name); } catch { return null; } };
  const save = (name, value) => { try { localStorage.setItem(name, value); } catch { /* Not kept. */ } };
  const button = (slot, label, act) => {
    if (!slot) return null;
    const made = document.createElement('button');
    made.type = 'button';
    made.textContent = label();
    made.addEventListener('click', () => { act(); made.textContent = label(); });
    slot.append(made);
    return made;
  };

  // Times: UTC as the server wrote them, or the zone of the reader.
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone || texts.localTime;
  // The reader's form of dates if it is one of the page's language.
  const { lang } = document.documentElement;
  const locale = navigator.languages.find((it) => it.split('-')[0] === lang) ?? lang;
  const zones = find('.zone').map((node) => ({ node, utc: node.textContent }));
  let isLocal = saved('auditlog-zone') === 'local';
  const clock = { hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' };
  const formats = {
    time: new Intl.DateTimeFormat(locale, clock),
    moment: new Intl.DateTimeFormat(locale, { day: 'numeric', month: 'short', year: 'numeric', ...clock, timeZoneName: 'short' }),
    day: new Intl.DateTimeFormat(locale, { weekday: 'long', day: 'numeric', month: 'long', year: 'numeric' }),
  };
  const headings = () => {
    find('tr.day.local').forEach((row) => row.remove());
    const days = find('tr.day');
    days.forEach((row) => { row.hidden = isLocal; });
    if (!isLocal || !days.length) return;
    let last = '';
    find('time[data-show=time]').forEach((node) => {
      const name = formats.day.format(new Date(node.dateTime));
      const entry = node.closest('tr');
      if (name === last || !entry) return;
      last = name;
      const row = days[0].cloneNode(true);
      row.hidden = false;
      row.classList.add('local');
      row.firstElementChild.textContent = name;
      entry.before(row);
    });
  };
  const show = () => {
    find('time[data-show]').forEach((node) => {
      const { dataset, dateTime } = node;
      dataset.utc ??= node.textContent;
      node.textContent = dataset.utc;
      if (!isLocal) return;
      const time = new Date(dateTime);
      const utc = document.createElement('small');
      const day = dateTime.slice(0, 10);
      // The heading has the day of the zone.
      const isOtherDay = dataset.show === 'time' && time.toLocaleDateString('sv') !== day;
      utc.textContent = `${isOtherDay ? `${day} ` : ''}${dataset.utc.replace(' UTC', '')} UTC`;
      node.replaceChildren(formats[dataset.show].format(time), ' ', utc);
    });
    zones.forEach(({ node, utc }) => { node.textContent = isLocal ? zone : utc; });
    headings();
  };
  if (zone !== 'UTC') button(document.getElementById('zone-choice'),
    () => text('show', isLocal ? 'UTC' : zone),
    () => { isLocal = !isLocal; save('auditlog-zone', isLocal ? 'local' : 'utc'); show(); });
  if (isLocal) show();

  // The number of the version that the slider selects.
  find('input[data-output]').forEach((input) => {
    const output = document.getElementById(input.dataset.output);
    input.addEventListener('input', () => { output.textContent = input.value; });
  });

  // Keys, which can be switched off (WCAG 2.1.4).
  let hasKeys = saved('auditlog-keys') !== 'off';
  button(document.getElementById('key-choice'),
    () => (hasKeys ? texts.keysOff : texts.keysOn),
    () => { hasKeys = !hasKeys; save('auditlog-keys', hasKeys ? 'on' : 'off'); });
  let current = null;
  const go = (step) => {
    const rows = find('tr.entry');
    if (!rows.length) return;
    current?.classList.remove('current');
    const at = rows.indexOf(current) + step;
    current = rows[Math.min(Math.max(at, 0), rows.length - 1)];
    current.classList.add('current');
    current.querySelector('.when a')?.focus();
    current.scrollIntoView({ block: 'nearest' });
  };
  document.addEventListener('keydown', (event) => {
    const isField = event.target.closest('input, select, textarea, button');
    if (!hasKeys || isField || event.ctrlKey || event.metaKey || event.altKey) return;
    const act = {
      '/': () => document.getElementById('q')?.focus(),
      '?': () => document.querySelector('header a[href^=help]')?.click(),
      j: () => go(1),
      k: () => go(-1),
      o: () => current?.querySelector('.when a')?.click(),
    }[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  });

  // Live: rows that the server sends as they are committed, newest first.
  const slot = document.getElementById('live');
  const body = document.querySelector('table.entries tbody');
  if (slot && body) {
    const MOST = 500;
    const newer = slot.firstElementChild;
    const state = document.createElement('span');
    const count = document.createElement('span');
    count.setAttribute('role', 'status');
    const link = (row) => row.querySelector('.when a')?.getAttribute('href');
    const shown = new Set([...body.rows].map(link));
    let added = 0;
    let last = '';
    let source = null;
    const add = (html) => {
      const parsed = document.createElement('template');
      parsed.innerHTML = html;
      const [day, entry] = parsed.content.querySelectorAll('tr');
      if (shown.has(link(entry))) return;
      shown.add(link(entry));
      const date = (row) => row?.querySelector('time')?.dateTime;
      const first = body.querySelector('tr.day:not(.local)');
      if (first && date(first) === date(day)) first.after(entry);
      else body.prepend(day, entry);
      const rows = [...body.querySelectorAll('tr.entry')];
      rows.slice(MOST).forEach((row) => { shown.delete(link(row)); row.remove(); });
      while (body.lastElementChild.matches('.day')) body.lastElementChild.remove();
      added += 1;
      count.textContent = ` · ${text('added', added)}`;
      if (isLocal) show();
    };
    const say = (name) => { state.textContent = texts[name]; slot.dataset.state = name; };
    const start = () => {
      source = new EventSource(slot.dataset.events + (last && `&last=${last}`));
      say('connecting');
      source.onopen = () => say('live');
      source.onmessage = ({ data, lastEventId }) => { last = lastEventId; add(data); };
      source.addEventListener('reset', () => { body.replaceChildren(); shown.clear(); });
      source.onerror = () => {
        if (source.readyState !== EventSource.CLOSED) { say('connecting'); return; }
        stop('ended');
        slot.append(' ', newer);
      };
    };
    const stop = (name) => { source.close(); source = null; say(name); toggle.textContent = texts.continue; };
    const toggle = button(slot, () => (source ? texts.pause : texts.continue), () => (source ? stop('paused') : start()));
    slot.replaceChildren(state, count, ' ', toggle);
    toggle.click();
  }
})();
