"use strict";

const element = (name, properties = {}, ...children) => {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
};
const byId = (id) => document.getElementById(id);

let sent = 0;
let me = null;

/** Asks through the gateway, and writes down what was said. */
async function ask(method, path, { body, headers = {}, why = "", quiet = false } = {}) {
  const options = { method, headers: { ...headers }, cache: "no-store" };
  if (body !== undefined) {
    options.body = JSON.stringify(body);
    options.headers["Content-Type"] = "application/json";
  }
  sent += 1;
  byId("sent").textContent = sent.toLocaleString("en");
  let reply;
  try {
    const response = await fetch(path, options);
    const text = await response.text();
    let json = null;
    try { json = JSON.parse(text); } catch { /* not every answer is JSON */ }
    reply = { status: response.status, ok: response.ok, text, json };
  } catch (error) {
    reply = { status: 0, ok: false, text: String(error), json: null };
  }
  if (!quiet) write(method, path, headers, reply, why);
  return reply;
}

/** Indented, but with lists of plain values on one line. */
function pretty(json) {
  const list = (_, inner) => `[${inner.trim().replace(/\s+/g, " ")}]`;
  return JSON.stringify(json, null, 2).replace(/\[([^[\]{}]*)\]/g, list);
}

function write(method, path, headers, reply, why) {
  const code = reply.json?.code ? ` ${reply.json.code}` : "";
  const entry = element("li", { className: reply.ok ? "good" : "bad" });
  entry.append(element("p", {}, `${method} ${path} → `, element("b", {}, `${reply.status}${code}`)));
  for (const [name, value] of Object.entries(headers)) entry.append(element("p", {}, `${name}: ${value}`));
  if (why) entry.append(element("p", { className: "why" }, why));
  const shown = reply.json ? pretty(reply.json) : reply.text;
  if (shown) entry.append(element("pre", {}, shown.slice(0, 3000)));
  const log = byId("log");
  log.prepend(entry);
  while (log.children.length > 30) log.lastChild.remove();
}

async function refreshCounter() {
  const response = await fetch("/asked", { cache: "no-store" });
  if (response.ok) byId("asked").textContent = (await response.json()).introspections.toLocaleString("en");
}

function table(rows, cells, remove) {
  if (rows.length === 0) return element("p", { className: "hint" }, "No rows for your organisation.");
  const body = element("tbody");
  for (const row of rows) {
    const button = element("button", { title: "Delete", ariaLabel: `Delete number ${row.id}` }, "×");
    button.addEventListener("click", () => remove(row.id));
    const line = element("tr", {}, element("td", { className: "number" }, `#${row.id}`));
    for (const cell of cells(row)) line.append(element("td", {}, String(cell)));
    line.append(element("td", { className: "act" }, button));
    body.append(line);
  }
  return element("table", {}, body);
}

async function show(where, path, cells) {
  const reply = await ask("GET", path, { quiet: true });
  const remove = async (id) => {
    await ask("DELETE", `${path}${id}`, { why: "Only an editor's token deletes; the button is there for everybody." });
    await refresh();
  };
  const refused = () => element("p", { className: "hint" }, `${reply.status} ${reply.json?.code ?? ""}`);
  byId(where).replaceChildren(Array.isArray(reply.json) ? table(reply.json, cells, remove) : refused());
}

async function refresh() {
  const reply = await fetch("/whoami", { cache: "no-store" });
  me = reply.ok ? await reply.json() : null;
  for (const button of document.querySelectorAll("#people button")) {
    button.setAttribute("aria-pressed", String(button.dataset.username === me?.username));
  }
  const session = byId("session");
  session.replaceChildren(me ? `You are ${me.name} of ${me.org.id}, ${me.authorities.join(" and ")}.` : "You are nobody yet: every service answers 401.");
  if (me) {
    const out = element("button", {}, "Log out at the old server");
    out.addEventListener("click", logOut);
    session.append(out);
  }
  await show("orders", "/orders/", (order) => [order.item, `× ${order.quantity}`]);
  await show("notes", "/notes/", (note) => [note.title, note.text]);
  await refreshCounter();
}

async function logIn(person) {
  const body = new URLSearchParams({ username: person.username, password: person.password });
  await fetch("/login", { method: "POST", body });
  await refresh();
}

async function logOut() {
  await fetch("/logout", { method: "POST" });
  await refresh();
}

/** What anybody could try, and what should come of it. */
const tries = [
  ["Read another's order", "by its number", async () => {
    const foreign = me?.org.id === "globex" ? 1 : 4;
    await ask("GET", `/orders/${foreign}`, { why: `Number ${foreign} exists, in the other organisation.` });
    await ask("GET", "/orders/999999", { why: "This one exists nowhere. The two answers are the same." });
  }],
  ["Write for another organisation", "name it in the body", async () => {
    await ask("POST", "/orders/", {
      body: { item: "Trojan hamper", quantity: 1, organisation: me?.org.id === "globex" ? "acme" : "globex" },
      why: "The organisation comes from the token, and from nowhere else.",
    });
  }],
  ["Say you are somebody else", "with header fields", async () => {
    await ask("GET", "/orders/received", {
      headers: { "X-User": "root", "X-Roles": "support", "X-Forwarded-User": "root" },
      why: "What the service received: none of these, no cookie, and a token that says who you are.",
    });
  }],
  ["Bring a token of your own", "unsigned, of course", async () => {
    const part = (value) => btoa(JSON.stringify(value)).replaceAll("=", "").replaceAll("+", "-").replaceAll("/", "_");
    const forged = `${part({ alg: "none", typ: "at+jwt" })}.${part({ sub: "root", roles: ["support"] })}.`;
    await ask("GET", "/orders/received", {
      headers: { Authorization: `Bearer ${forged}` },
      why: "The gateway throws it away: the cookie says who you are.",
    });
  }],
  ["Look across organisations", "a support user may, for a reason", async () => {
    await ask("GET", "/orders/everywhere?reason=ticket+4711", { why: "Sue may, and it is written down. Everybody else: 403." });
    await ask("GET", "/orders/everywhere", { why: "Without a reason nobody may." });
  }],
  ["Send 200 requests", "and see how often the old server is asked", async () => {
    const begin = performance.now();
    let good = 0;
    for (let round = 0; round < 10; round += 1) {
      const replies = await Promise.all(Array.from({ length: 20 }, () => ask("GET", "/notes/", { quiet: true })));
      good += replies.filter((reply) => reply.ok).length;
    }
    const text = `${good} of 200 answered with 200 in ${Math.round(performance.now() - begin)} ms.`;
    write("GET", "/notes/ × 200", {}, { status: good === 200 ? 200 : 0, ok: good === 200, text, json: null }, "");
  }],
];

async function begin() {
  const people = await (await fetch("/people")).json();
  byId("people").replaceChildren(...people.map((person) => {
    const button = element("button", { type: "button" }, person.name);
    button.append(element("small", {}, `${person.organisation} · ${person.roles.at(-1)}`));
    button.dataset.username = person.username;
    button.addEventListener("click", () => logIn(person));
    return button;
  }));
  byId("tries").replaceChildren(...tries.map(([title, hint, action]) => {
    const button = element("button", { type: "button" }, title, element("small", {}, hint));
    button.addEventListener("click", async () => {
      button.disabled = true;
      try {
        await action();
        await refresh();
      } finally {
        button.disabled = false;
      }
    });
    return button;
  }));
  const submit = (id, path, read) => byId(id).addEventListener("submit", async (event) => {
    event.preventDefault();
    await ask("POST", path, { body: read(new FormData(event.target)) });
    await refresh();
  });
  submit("new-order", "/orders/", (form) => ({ item: form.get("item"), quantity: Number(form.get("quantity")) }));
  submit("new-note", "/notes/", (form) => ({ title: form.get("title"), text: form.get("text") }));
  await refresh();
}

begin();
