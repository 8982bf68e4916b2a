"use strict";

// The page: who is logged in, the note, and what every step needs.

const element = (name, properties = {}, ...children) => {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
};
const byId = (id) => document.getElementById(id);

const session = Countersign.createSession({ whenGone: "keep" });
const tabs = new BroadcastChannel("demo");
let people = [];
let sent = 0;

/** Asks through the gateway; an answer, or the code of what came instead of one. */
async function ask(method, path, { body, headers = {}, plainly = false } = {}) {
  sent += 1;
  byId("sent").textContent = sent.toLocaleString("en");
  const options = { method, headers: { ...headers }, cache: "no-store" };
  if (body !== undefined) {
    options.body = JSON.stringify(body);
    options.headers["Content-Type"] = "application/json";
  }
  try {
    const response = await (plainly ? fetch(path, options) : session.fetch(path, options));
    const text = await response.text();
    let json = null;
    try { json = JSON.parse(text); } catch { /* not every answer is JSON */ }
    return { status: response.status, ok: response.ok, code: json?.code ?? "", json };
  } catch (error) {
    return { status: 0, ok: false, code: error.code ?? error.name, json: null };
  }
}

/** What only a demo offers: see the old server's source. */
const backstage = async (method, path, body) => (await ask(method, `/demo/${path}`, { body, plainly: true })).json;

const timesAsked = async () => (await (await fetch("/asked", { cache: "no-store" })).json()).introspections;

async function showAsked() {
  byId("asked").textContent = (await timesAsked()).toLocaleString("en");
}

/** As if in another tab: the old server's form, and what its last page tells all tabs. */
async function logIn(username) {
  const body = new URLSearchParams({ username, password: people.find((person) => person.username === username).password });
  await fetch("/login", { method: "POST", body });
  await session.start();
}

async function saveNote(title = `Note of ${new Date().toLocaleTimeString("en")} ${Math.random().toString(36).slice(2, 6)}`) {
  byId("saved").textContent = "saving…";
  const reply = await ask("POST", "/notes/", { body: { title, text: byId("note").value } });
  byId("saved").textContent = reply.status === 201 ? `saved as number ${reply.json.id}` : `${reply.status || "not sent"} ${reply.code}`;
  byId("saved").className = reply.ok ? "good" : "bad";
  return { title, ...reply };
}

const nameOf = (user) => people.find((person) => person.username === user?.name)?.name ?? user?.name ?? "nobody";

function showWho() {
  const { state, user } = session.snapshot();
  for (const button of document.querySelectorAll("#people button")) {
    button.setAttribute("aria-pressed", String(state === "active" && button.dataset.username === user?.name));
  }
  const texts = {
    active: () => `You are ${nameOf(user)} of ${user.organisation}, ${user.roles.join(" and ")}.`,
    "login-required": () => `${nameOf(user)}'s session has ended. This page is still here, and so is your text.`,
    "signed-out": () => "Logged out, in every tab.",
  };
  byId("who").textContent = (texts[state] ?? (() => "You are nobody yet: every service answers 401."))();
  // cosmetic on purpose: see step 3
  byId("save").disabled = state === "active" && !session.looksLike("editor");
  byId("save").title = byId("save").disabled ? "Only editors may save" : "";
}

function showLife() {
  const left = session.snapshot().state === "active" ? Math.max(0, session.expiresIn) : 0;
  byId("life").value = left;
  byId("left").textContent = left > 0 ? `${Math.ceil(left)} s` : "–";
}

session.on("change", showWho);
// nothing of one person stays for the next
const clear = () => {
  byId("note").value = "";
  byId("saved").textContent = "";
};
session.on("user-changed", clear);
session.on("signed-out", () => {
  clear();
  tabs.postMessage({ signedOut: performance.timeOrigin });
});
session.on("user", () => void showAsked());
session.draft("note", {
  save: () => byId("note").value || undefined,
  restore: (text) => { byId("note").value = text; },
});
setInterval(showLife, 250);

async function begin() {
  people = await (await fetch("/people")).json();
  byId("people").replaceChildren(...people.map((person) => {
    const button = element("button", { type: "button" }, person.name, element("small", {}, `${person.organisation} · ${person.roles.at(-1)}`));
    button.dataset.username = person.username;
    button.addEventListener("click", () => logIn(person.username));
    return button;
  }));
  byId("save").addEventListener("click", () => saveNote());
  const banner = element("countersign-banner");
  banner.session = session;
  document.body.append(banner);
  await session.start();
  showWho();
  await showAsked();
}

const begun = begin();
