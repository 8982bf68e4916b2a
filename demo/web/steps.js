"use strict";

// Eight steps. Each does something real, shows before and after, the request, and the reason.

const count = (number) => number.toLocaleString("en");
const wait = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
const next = (name) => new Promise((resolve) => {
  const off = session.on(name, (event) => {
    off();
    resolve(event);
  });
});
const within = (promise, milliseconds, what) =>
  Promise.race([promise, wait(milliseconds).then(() => { throw new Error(`${what}: nothing within ${milliseconds / 1000} s`); })]);
const become = async (username) => {
  if (session.snapshot().state !== "active" || session.user?.name !== username) await logIn(username);
};
/** Whether the steps run by themselves. */
const alone = new URLSearchParams(location.search).has("script");
/** Text in the field, typed if nobody has. */
const typed = () => {
  if (!byId("note").value) byId("note").value = "The canyon entrance is painted on. Written while the session ended.";
  return byId("note").value;
};

/** [what was forged, its name for the demo's server] */
const FORGERIES = [
  ["Not forged at all", "untouched"],
  ["One bit of the signature turned", "bit"],
  ["Another organisation", "organisation"],
  ["One role more", "role"],
  ["Unsigned: alg none", "none"],
  ["HS256, with the public key as the secret", "public-key"],
  ["A token for another service", "audience"],
  ["Another issuer", "issuer"],
  ["An end in 1970", "expired"],
  ["A key nobody knows", "key"],
  ["A key from the attacker's address", "address"],
];

const steps = [
  {
    title: "One log-in, services that ask nobody",
    text: "A thousand requests to a service. Each is verified there, with a signature.",
    actions: [["Send 1,000 requests", async () => {
      await become("ann");
      const before = await timesAsked();
      const begin = performance.now();
      let good = 0;
      for (let round = 0; round < 20; round += 1) {
        const replies = await Promise.all(Array.from({ length: 50 }, () => ask("GET", "/notes/")));
        good += replies.filter((reply) => reply.ok).length;
      }
      const asked = (await timesAsked()) - before;
      const seconds = (performance.now() - begin) / 1000;
      await showAsked();
      return {
        ok: good === 1000 && asked <= 5 + seconds * 2,
        before: "without a gateway: the old server is asked 1,000 times",
        after: `services answered ${count(good)}; the old server was asked ${count(asked)} times in ${seconds.toFixed(1)} s`,
        request: "GET /notes/   × 1,000\nCookie: SESSION=…   → service gets   Authorization: Bearer <JWT>",
        why: "The gateway asks when it sees a session first, then once a second here (recheck = 1 s), however many requests come.",
      };
    }]],
  },
  {
    title: "Two organisations, one address",
    text: "Ann works for acme, Bob for globex. Both ask for the same list.",
    actions: [["Ask as both", async () => {
      const rows = {};
      for (const username of ["bob", "ann"]) {
        await become(username);
        rows[username] = (await ask("GET", "/orders/")).json.map((order) => order.item);
      }
      const foreign = await ask("GET", "/orders/4");
      const missing = await ask("GET", "/orders/999999");
      const shared = rows.ann.filter((item) => rows.bob.includes(item));
      return {
        ok: rows.ann.length > 0 && rows.bob.length > 0 && shared.length === 0 && foreign.status === 404 && missing.status === 404,
        rows: [["as Ann", rows.ann.join(", ")], ["as Bob", rows.bob.join(", ")], ["Ann asks for Bob's order 4", `${foreign.status} ${foreign.code}`], ["one that is nowhere", `${missing.status} ${missing.code}`]],
        request: "GET /orders/\nGET /orders/4",
        why: "The service filters by the organisation in the token. It cannot be asked otherwise, and does not say that the row exists.",
      };
    }]],
  },
  {
    title: "A greyed button is cosmetic",
    text: "Cy may only read. The page greys Save; that stops nobody.",
    actions: [["Be Cy, and send anyway", async () => {
      await become("cy");
      const greyed = byId("save").disabled;
      const reply = await ask("POST", "/notes/", { body: { title: "by Cy", text: "x" } });
      const result = {
        ok: greyed && reply.status === 403 && reply.code === "role_missing",
        before: `the page: Save is ${greyed ? "greyed" : "not greyed"}, looksLike("editor") is ${session.looksLike("editor")}`,
        after: `the service: ${reply.status} ${reply.code}`,
        request: 'POST /notes/\n{"title":"by Cy","text":"x"}',
        why: "The handler's argument is HasRole<Editor>: without the role it is never entered.",
      };
      if (alone) await become("ann");
      return result;
    }]],
  },
  {
    title: "Forge a token",
    text: "Somebody listened on the way to the service, and sends it what they made of a real token.",
    actions: [["Send eleven tokens", async () => {
      await become("ann");
      await ask("GET", "/orders/");
      await ask("GET", "/notes/");
      const rows = [];
      let ok = true;
      for (const [text, name] of FORGERIES) {
        const { status, code } = await backstage("POST", "forge", { name });
        ok &&= name === "untouched" ? status === 200 : status === 401 && code !== "";
        rows.push([text, `${status} ${code}`]);
      }
      return {
        ok, rows,
        request: "GET /orders/   straight to the service, past the gateway\nAuthorization: Bearer <forged>",
        why: "The service verifies by itself: one algorithm for a key, keys from the issuer's key set alone, and audience, issuer and times are always checked.",
      };
    }]],
  },
  {
    title: "Sixty seconds",
    text: "What the gateway gives lives for a minute. Type, and let it run out.",
    actions: [["Let the laptop sleep for an hour", async () => {
      await become("ann");
      const text = typed();
      const before = Math.ceil(session.expiresIn);
      const renewed = next("renewed");
      const { now } = Date;
      Date.now = () => now() + 3_600_000; // a clock that jumped, as after sleep
      window.dispatchEvent(new Event("focus"));
      await within(renewed, 30_000, "renewal");
      const after = Math.ceil(session.expiresIn);
      Date.now = now;
      return {
        ok: byId("note").value === text && after > 40,
        before: `${before} s left, then an hour passed`,
        after: `renewed on waking: ${after} s left by the server's clock; your text: ${byId("note").value === text ? "untouched" : "lost"}`,
        request: "POST /.countersign/renew\nCountersign: 1",
        why: "Renewed on waking, before a request could fail. The page's clock is never trusted. Watch the bar run out: it is renewed at a quarter of its life, too.",
      };
    }]],
  },
  {
    title: "The session dies while you type",
    text: "End it at the old server, behind this page's back. Then save.",
    actions: [
      ["End the session, then save", async () => {
        await become("ann");
        const text = typed();
        await backstage("POST", "end");
        await wait(1100); // the gateway notices within recheck = 1 s
        const required = next("login-required");
        const saving = saveNote();
        const { reason } = await within(required, 10_000, "the log-in bar");
        if (alone) {
          await backstage("POST", "logs-in", { username: "ann" });
          session.login();
        }
        const saved = await saving;
        const notes = saved.ok ? (await ask("GET", "/notes/")).json.filter((note) => note.title === saved.title) : [];
        return {
          ok: saved.status === 201 && notes.length === 1 && notes[0].text === text && byId("note").value === text,
          before: `401 ${reason}; the request waited, nothing had reached the service`,
          after: saved.ok ? `logged in beside the page; written ${notes.length === 1 ? "once" : `${notes.length} times`}, text untouched` : `not written: ${saved.code}`,
          request: "POST /notes/ → 401   Countersign-Refused: " + reason + "   Countersign-Forwarded: 0\nPOST /notes/ → 201   the same request, after the log-in",
          why: "The gateway says that nothing was forwarded, so sending it again cannot write twice. Log in as Bob instead: nothing is sent, and Ann's text is cleared.",
        };
      }],
      ["The 2016 way", async () => {
        await become("ann");
        const { length } = typed();
        await backstage("POST", "end");
        await wait(1100);
        await ask("POST", "/notes/", { body: { title: "lost", text: typed() }, plainly: true });
        location.assign(`/.countersign/login?display=redirect&return=${encodeURIComponent(`/?gone=${length}`)}`);
        return { ok: true, before: "", after: "on the way to the log-in page…", request: "", why: "" };
      }],
    ],
  },
  {
    title: "Log-out that works",
    text: "Somebody copied your cookie into a terminal. Log out, and see what it is good for.",
    actions: [["Copy it, log out, try it", async () => {
      await become("ann");
      const { line } = await backstage("POST", "copy");
      const good = await backstage("GET", "copied");
      const heard = new Promise((resolve) => tabs.addEventListener("message", ({ data }) => data.signedOut && resolve(performance.now())));
      let tab = null;
      if (alone) {
        const ready = new Promise((resolve) => tabs.addEventListener("message", ({ data }) => data.ready && resolve()));
        tab = open("/?second");
        await within(ready, 20_000, "the second tab");
      }
      const begin = performance.now();
      await session.logout({ stay: true });
      const refused = await backstage("GET", "copied");
      const took = performance.now() - begin;
      const other = tab ? (await within(heard, 10_000, "the other tab")) - begin : null;
      tab?.close();
      return {
        ok: good.status === 200 && refused.status === 401 && refused.code === "revoked" && took < 5000,
        before: `${line}\n→ ${good.status}`,
        after: `the same line → ${refused.status} ${refused.code}, ${Math.round(took)} ms after the click${other === null ? "; every other tab of this page says so too" : `; the other tab was signed out after ${Math.round(other)} ms`}`,
        request: "POST /.countersign/logout\nCountersign: 1",
        why: "The session is revoked at the gateway before the answer is sent; tokens of it are refused by the services as well. Go back in the history: the page shows nothing.",
      };
    }]],
  },
  {
    title: "Keys without ceremony",
    text: "One key signs, another stands by, and services follow by themselves.",
    actions: [["Look at the keys", async () => {
      await become("ann");
      const { keys } = (await ask("GET", "/.well-known/jwks.json", { plainly: true })).json;
      const { token } = (await ask("GET", "/orders/received")).json;
      const ids = keys.map((key) => key.kid);
      return {
        ok: ids.length >= 2 && ids.includes(token.key),
        rows: [...keys.map((key) => [key.kid.slice(0, 12) + "…", `${key.alg}, ${key.kid === token.key ? "signed your last token" : "stands by"}`])],
        request: "GET /.well-known/jwks.json\nGET /orders/received",
        why: "The next key is published long before it signs, so no service ever meets a key it has not seen. In a terminal: countersign keys",
      };
    }]],
  },
];

function show(place, { ok, before, after, rows, request, why }) {
  const list = element("dl");
  const line = (name, ...value) => list.append(element("dt", {}, name), element("dd", {}, ...value));
  if (before) line("before", before);
  if (after) line("after", after);
  const parts = [list];
  if (rows) {
    parts.push(element("table", {}, element("tbody", {}, ...rows.map(([name, value]) => element("tr", {}, element("td", {}, name), element("td", { className: "number" }, value))))));
  }
  if (request) parts.push(element("pre", {}, request));
  if (why) parts.push(element("p", { className: "why" }, why));
  const verdict = element("p", { className: `verdict ${ok ? "good" : "bad"}` }, ok ? "✓ as it should be" : "✗ not as it should be");
  place.replaceChildren(verdict, ...parts);
}

byId("steps").replaceChildren(...steps.map((step, number) => {
  const place = element("div", { className: "seen" });
  place.setAttribute("role", "status");
  step.place = place;
  const buttons = step.actions.map(([label, action], index) => {
    const button = element("button", { type: "button", className: index === 0 ? "primary" : "" }, label);
    button.addEventListener("click", async () => {
      button.disabled = true;
      place.replaceChildren(element("p", {}, "…"));
      try {
        show(place, await action());
      } catch (error) {
        show(place, { ok: false, after: error.message });
      } finally {
        button.disabled = false;
        await showAsked();
      }
    });
    return button;
  });
  const title = element("h2", { id: `step-${number + 1}` }, element("b", { ariaHidden: "true" }, String(number + 1)), step.title);
  const item = element("li", { className: "step" }, title, element("p", { className: "hint" }, step.text), element("div", { className: "row" }, ...buttons), place);
  item.setAttribute("aria-labelledby", title.id);
  return item;
}));

/** What is told to whoever started a browser for this. */
const inWords = ({ before, after, rows }) => [before, after, ...(rows ?? []).map((row) => row.join(": "))].filter(Boolean).join("\n");

begun.then(async () => {
  const query = new URLSearchParams(location.search);
  if (query.has("second")) tabs.postMessage({ ready: true });
  if (query.has("gone")) {
    history.replaceState(null, "", "/");
    show(steps[5].place, {
      ok: false, before: `${query.get("gone")} characters in the note`, after: `${byId("note").value.length} characters`,
      request: "POST /notes/ → 401\nLocation: the log-in page, and back", why: "A redirect leaves the page, and everything in it that was not saved.",
    });
    byId("step-6").scrollIntoView({ block: "center" });
  }
  if (!alone) return;
  const report = [];
  for (const step of steps) {
    try {
      const result = await step.actions[0][1]();
      show(step.place, result);
      report.push({ ok: result.ok, seen: inWords(result) });
    } catch (error) {
      report.push({ ok: false, seen: error.message });
    }
  }
  await backstage("POST", "report", report);
});
