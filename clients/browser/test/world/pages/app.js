import { createSession } from '/dist/index.js';
import '/dist/banner.js';

const options = JSON.parse(new URLSearchParams(location.search).get('options') ?? '{}');
const session = createSession(options);
const told = [];
const names = ['user', 'renewed', 'expiring', 'login-required', 'paused', 'resumed', 'ask', 'signed-out', 'user-changed', 'offline'];
for (const name of names) session.on(name, (event) => told.push([name, event]));
const byId = (id) => document.getElementById(id);
session.on('user', (user) => {
  byId('who').textContent = user?.name ?? 'nobody';
});
session.draft('text', {
  save: () => byId('text').value || undefined,
  restore: (value) => {
    byId('text').value = value;
  },
});
const save = async (path = '/notes/') => {
  byId('said').textContent = 'saving';
  try {
    const response = await session.fetch(path, { method: 'POST', body: byId('text').value });
    byId('said').textContent = `${response.status} ${response.headers.get('Countersign-Refused') ?? ''}`.trim();
  } catch (error) {
    byId('said').textContent = error.code ?? error.name;
  }
};
byId('save').onclick = () => save();
byId('login').onclick = () => session.login();
byId('out').onclick = () => session.logout();
Object.assign(window, { session, told, save });
document.body.append(Object.assign(document.createElement('countersign-banner'), { session }));
window.started = session.start();
