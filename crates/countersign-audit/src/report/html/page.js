'use strict';
const data = JSON.parse(document.getElementById('data').textContent);
const $ = (id) => document.getElementById(id);
const el = (tag, attributes = {}, ...children) => {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith('on')) node.addEventListener(name.slice(2), value);
    else if (value !== undefined && value !== null) node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
};
const short = data.document.split('/').pop() || data.document;
const words = (text) => text.split('`').map((part, index) => (index % 2 ? el('code', {}, part) : part));
const plural = (count, word) => `${count.toLocaleString('en')} ${word}${count === 1 ? '' : 's'}`;
const order = ['high', 'medium', 'low', 'note'];
const shown = new Set(order);

$('target').textContent = data.target;
$('facts').textContent = `${plural(data.rows.length, 'operation')} of ${data.document} · ${data.decided.toLocaleString('en')} of ` +
  `${data.cells.toLocaleString('en')} cells decided (${data.percent} %) · ${plural(data.requests, 'request')} in ${data.seconds} s · ` +
  new Date(data.began * 1000).toISOString().replace('T', ' ').replace('.000Z', ' UTC');
const fresh = data.findings.filter((finding) => !finding.known);
for (const severity of order) {
  const those = fresh.filter((finding) => finding.severity === severity);
  const kinds = new Set(those.map((finding) => finding.id)).size;
  if (kinds) $('verdict').append(el('span', { class: `chip ${severity}`, title: `${kinds} ${severity}, in ${plural(those.length, 'place')}` }, `${kinds} ${severity}`));
}
if (!fresh.length) $('verdict').append(el('span', { class: 'chip good' }, data.findings.length ? 'nothing new' : 'no findings'));

for (const severity of order.filter((severity) => data.findings.some((finding) => finding.severity === severity))) {
  const button = el('button', { class: `chip ${severity}`, 'aria-pressed': 'true', onclick: () => {
    shown.has(severity) ? shown.delete(severity) : shown.add(severity);
    button.setAttribute('aria-pressed', shown.has(severity));
    findings();
  } }, severity);
  $('severities').append(button, ' ');
}
$('q').addEventListener('input', findings);
document.addEventListener('keydown', (event) => {
  if (event.key === '/' && document.activeElement.tagName !== 'INPUT') { event.preventDefault(); $('q').focus(); }
  if (event.key === 'Escape') { $('cell').hidden = true; if (document.activeElement === $('q')) { $('q').value = ''; findings(); } }
});

const copy = (text) => el('button', { class: 'copy', onclick: (event) => {
  const done = () => { event.target.textContent = 'copied'; setTimeout(() => { event.target.textContent = 'copy as curl'; }, 1500); };
  if (navigator.clipboard) { navigator.clipboard.writeText(text).then(done, () => {}); return; }
  const area = el('textarea'); area.value = text; document.body.append(area); area.select(); document.execCommand('copy'); area.remove(); done();
} }, 'copy as curl');
const fields = (list) => list.map(([name, value]) => `${name}: ${value}`).join('\n');
const proof = (it) => el('div', { class: 'pair' },
  el('div', {}, el('h4', {}, 'Request', copy(it.curl)),
    el('pre', {}, `${it.method} ${it.url}\n${fields(it.request_headers)}${it.request_body ? `\n\n${it.request_body}` : ''}`),
    it.token ? el('h4', {}, 'Its token says') : null,
    it.token ? el('pre', {}, `${JSON.stringify(it.token.header)}\n${JSON.stringify(it.token.claims, null, 1)}`) : null),
  el('div', {}, el('h4', {}, 'Answer'),
    el('pre', {}, `${it.status}\n${fields(it.response_headers)}${it.response_body ? `\n\n${it.response_body}` : ''}`)));

function findings() {
  const wanted = $('q').value.trim().toLowerCase();
  const groups = new Map();
  for (const finding of data.findings) {
    const text = `${finding.id} ${finding.method} ${finding.path} ${finding.title} cwe-${finding.cwe} ${finding.owasp} ${finding.asvs}`.toLowerCase();
    if (!shown.has(finding.severity) || !text.includes(wanted)) continue;
    if (!groups.has(finding.id)) groups.set(finding.id, []);
    groups.get(finding.id).push(finding);
  }
  const nodes = [...groups.values()].map((list, place) => {
    const [first] = list;
    return el('details', groups.size <= 2 || place === 0 ? { open: '' } : {},
      el('summary', {}, el('span', { class: `chip ${first.severity}` }, first.severity),
        el('span', { class: 'what' }, ...words(first.title), el('small', { class: 'mono' }, first.id)),
        el('span', { class: 'count' }, plural(list.length, 'operation') + (list.every((finding) => finding.known) ? ', known' : ''))),
      el('div', { class: 'inside' },
        el('p', { class: 'advice' }, 'What to do: ', ...words(first.advice), '.'),
        el('p', { class: 'ids' }, `CWE-${first.cwe} · OWASP ${first.owasp} · ASVS 5.0 ${first.asvs}`),
        ...list.map((finding, index) => el('div', { class: 'op' },
          el('div', {}, el('span', { class: 'm mono' }, finding.method), el('code', {}, finding.path),
            el('span', { class: 'count' }, finding.line ? ` ${short}:${finding.line}` : '')),
          el('p', {}, ...words(finding.reason), ' ', el('span', { class: 'count' },
            `(${finding.cells.slice(0, 4).join(', ')}${finding.count > 4 ? ` and ${finding.count - 4} more` : ''})`)),
          !finding.proof ? null : index === 0 ? proof(finding.proof)
            : el('details', { class: 'more' }, el('summary', {}, 'request and answer'), proof(finding.proof))))));
  });
  $('findings').replaceChildren(...(nodes.length ? nodes
    : [el('p', { class: 'empty' }, data.findings.length ? 'Nothing matches the filter.' : 'Everything that could be decided is as it must be.')]));
}

const used = data.groups.map((_, index) => data.rows.some((row) => row.g[index].p + row.g[index].f + row.g[index].i + row.g[index].s));
function cell(row, index) {
  const it = row.g[index];
  const [letter, text] = it.f ? ['f', `✗ ${it.f}`] : it.i ? ['i', `? ${it.i}`] : it.p ? ['p', `✓ ${it.p}`] : ['s', '·'];
  const label = `${row.m} ${row.p}, ${data.groups[index]}: ${it.p} passed, ${it.f} findings, ${it.i} not decided`;
  if (!it.x.length) return el('td', {}, el('span', { class: `k ${letter}`, title: label }, text));
  return el('td', {}, el('button', { class: `k ${letter}`, title: label, 'aria-label': label, onclick: () => {
    $('cell').hidden = false;
    $('cell').replaceChildren(el('div', { class: 'bar' }, el('h3', {}, `${row.m} ${row.p} · ${data.groups[index]}`),
      el('button', { onclick: () => { $('cell').hidden = true; } }, 'close')),
      el('ul', {}, ...it.x.slice(0, 200).map(([name, kind, reason]) =>
        el('li', {}, el('span', { class: `k ${kind}` }, { f: '✗', i: '?', s: '·' }[kind]), ' ', el('code', {}, name), ` ${reason ?? ''}`))));
    $('cell').scrollIntoView({ block: 'nearest' });
  } }, text));
}
$('matrix').append(
  el('thead', {}, el('tr', {}, el('th', { scope: 'col' }, 'operation'), el('th', { scope: 'col' }, 'control'),
    ...data.groups.flatMap((name, index) => (used[index] ? [el('th', { scope: 'col' }, name)] : [])))),
  el('tbody', {}, ...data.rows.map((row) => el('tr', {},
    el('th', { scope: 'row', title: `${data.document}:${row.l}` }, el('span', { class: 'm mono' }, row.m), el('code', {}, row.p)),
    el('td', { title: row.c }, row.c.length <= 3 ? row.c : '—'),
    ...data.groups.flatMap((_, index) => (used[index] ? [cell(row, index)] : []))))));
if (data.log_out.length) {
  $('log-out').hidden = false;
  $('log-out').querySelector('ul').append(...data.log_out.map((it) => el('li', {},
    el('span', { class: `k ${it.milliseconds === null || it.milliseconds > it.within ? 'f' : 'p'}` },
      it.milliseconds === null ? `never within ${it.asked / 1000} s` : `${it.milliseconds.toLocaleString('en')} ms`), ' ',
    el('b', {}, it.service), ' ', el('code', {}, it.url))));
  $('log-out').querySelector('p').textContent =
    `Time from the revocation until each service refused the token; ${data.log_out[0].within.toLocaleString('en')} ms are allowed.`;
}
if (data.not_checked.length) {
  $('not-checked').hidden = false;
  $('not-checked').querySelector('ul').append(...data.not_checked.map((gap) => el('li', {}, ...words(gap))));
}
if (data.notes.length) {
  $('notes').hidden = false;
  $('notes').querySelector('ul').append(...data.notes.map((note) => el('li', {}, note)));
}
findings();
