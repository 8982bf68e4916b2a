"use strict";

// Eight steps. Each does something real, shows before and after, the request, and the reason.

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
/** The one button after which this page is gone. */
const LEAVES = "Without the client: lose the text";
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
  ["Not valid before 2100", "early"],
  ["A key nobody knows", "key"],
  ["A key from the attacker's address", "address"],
];

const steps = [
  {
    title: "One log-in, services that ask nobody",
    text: "A thousand requests to a service that asks the old server each time, as services did; then to one behind the gateway, which verifies each by its signature.",
    actions: [["Send 1,000 requests, both ways", async () => {
      await become("ann");
      const old = await thousand("/demo/old-way");
      const now = await thousand("/notes/");
      return {
        ok: old.good === 1000 && old.asked >= 1000 && now.good === 1000 && now.asked <= 5 + now.seconds * 2,
        before: `without the gateway: ${count(old.good)} answered; the old server was asked ${count(old.asked)} times, in ${old.seconds.toFixed(1)} s`,
        after: `with the gateway: ${count(now.good)} answered; the old server was asked ${count(now.asked)} times, in ${now.seconds.toFixed(1)} s`,
        request: "GET /demo/old-way   × 1,000\n  the service: POST /oauth2/introspect, each time\nGET /notes/   × 1,000\n  Cookie: SESSION=…   → the service gets   Authorization: Bearer <JWT>",
        why: "Both counted at the old server. The gateway asks when it sees a session first, then once a second here (recheck = 1 s), however many requests come.",
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
        before: `Bob: ${rows.bob.join(", ")}`,
        after: `Ann, same request: ${rows.ann.join(", ")}`,
        rows: [["Ann asks for Bob's order 4", `${foreign.status} ${foreign.code}`], ["for one that is nowhere", `${missing.status} ${missing.code}`]],
        request: "GET /orders/\nGET /orders/4\nGET /orders/999999",
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
    actions: [["Send twelve tokens", async () => {
      await become("ann");
      await ask("GET", "/orders/");
      await ask("GET", "/notes/");
      const rows = [];
      let [ok, refused] = [true, 0];
      for (const [text, name] of FORGERIES) {
        const { status, code } = await backstage("POST", "forge", { name });
        const good = name === "untouched";
        ok &&= good ? status === 200 : status === 401 && code !== "";
        refused += good ? 0 : Number(status === 401);
        rows.push([text, `${status} ${code}`]);
      }
      return {
        ok, rows,
        before: `as it was signed: ${rows[0][1]}`,
        after: `changed in ${FORGERIES.length - 1} ways: ${refused} refused`,
        request: "GET /orders/   straight to the service, past the gateway\nAuthorization: Bearer <forged>",
        why: "The service verifies by itself: one algorithm for a key, keys from the issuer's key set alone, and audience, issuer and times are always checked.",
      };
    }], ["Audit a service with a hole", async () => {
      const { fault, cells, seconds, findings } = await backstage("POST", "audit");
      const [first] = findings;
      return {
        ok: findings.some(({ id }) => id === "algorithm-none-accepted"),
        before: `another service, with one fault: ${fault}`,
        after: `${count(cells)} cells (operation × bad token × role × organisation) in ${seconds.toFixed(1)} s; found: ${[...new Set(findings.map(({ id }) => id))].join(", ")}, on ${findings.length} operations`,
        rows: findings.slice(0, 3).map(({ operation, reason }) => [operation, reason]),
        request: `countersign audit --target http://127.0.0.1:… --spec openapi.json\nthe cells that failed: ${(first?.cells ?? []).slice(0, 4).join(", ")}`,
        why: "A service that is right refuses every cell. In a terminal, with any fault you like: countersign demo --legacy",
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
      await within(renewed, 60_000, "renewal");
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
        const { reason } = await within(required, 60_000, "the log-in bar");
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
          why: "The gateway says that nothing was forwarded, so sending it again cannot write twice. What cannot be proved is not sent again.",
        };
      }],
      ["End it, and let Bob log in", async () => {
        await become("ann");
        const { length } = typed();
        await backstage("POST", "end");
        await backstage("POST", "logs-in", { username: "bob" });
        await wait(1100);
        const required = next("login-required");
        const saving = saveNote();
        await within(required, 60_000, "the log-in bar");
        session.login();
        const { title, ok, code } = await saving;
        const notes = (await ask("GET", "/notes/")).json ?? [];
        return {
          ok: !ok && code === "user_changed" && !notes.some((note) => note.title === title) && byId("note").value === "",
          before: `Ann's note waits: ${length} characters, nothing has reached the service`,
          after: `Bob logged in beside the page: ${code}; nothing was sent in his name, and Ann's text is cleared`,
          request: "POST /notes/ → 401   Countersign-Forwarded: 0\nand not again: GET /.countersign/session says that it is somebody else",
          why: "Subject and organisation are compared before anything waits no longer. What one person wrote is never sent by another.",
        };
      }],
      [LEAVES, async () => {
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
    text: "Somebody copied your cookie into a terminal, and a token on its way to a service. Log out, and see what they are good for.",
    actions: [["Copy it, log out, try it", async () => {
      await become("ann");
      const { line } = await backstage("POST", "copy");
      const [good, served] = [await backstage("GET", "copied"), await backstage("GET", "copied-token")];
      const heard = new Promise((resolve) => tabs.addEventListener("message", ({ data }) => data.signedOut && resolve(performance.now())));
      let tab = null;
      if (alone) {
        const ready = new Promise((resolve) => tabs.addEventListener("message", ({ data }) => data.ready && resolve()));
        tab = open("/?second");
        await within(ready, 60_000, "the second tab");
      }
      const begin = performance.now();
      await session.logout({ stay: true });
      const refused = await backstage("GET", "copied");
      const took = performance.now() - begin;
      let late = await backstage("GET", "copied-token");
      while (late.status === 200 && performance.now() - begin < 60_000) late = await backstage("GET", "copied-token");
      const until = performance.now() - begin;
      const other = tab ? (await within(heard, 60_000, "the other tab")) - begin : null;
      tab?.close();
      return {
        ok: good.status === 200 && refused.status === 401 && refused.code === "revoked"
          && served.status === 200 && late.status === 401 && late.code === "token_revoked",
        before: `${line}\n→ ${good.status}\nthe copied token, straight to the service → ${served.status}`,
        after: `the same line → ${refused.status} ${refused.code}, ${Math.round(took)} ms after the click${other === null ? "; every other tab of this page says so too" : `; the other tab was signed out after ${Math.round(other)} ms`}\nthe copied token at the service → ${late.status} ${late.code}, ${Math.round(until)} ms after the click`,
        request: "POST /.countersign/logout\nCountersign: 1",
        why: "The session is revoked at the gateway before the answer is sent. The services follow the gateway's feed, and refuse its tokens within a second. Go back in the history: the page shows nothing.",
      };
    }]],
  },
  {
    title: "Keys change under load",
    text: "Requests go on without a pause, while an operator plans the next key and takes the present one out.",
    actions: [["Rotate, then retire the old key", async () => {
      await become("ann");
      const load = underLoad();
      await wait(1000);
      const before = await keysNow();
      const old = before.find((key) => key.phase === "signing");
      load.mark("rotate");
      const rotated = await change({ change: "rotate" });
      await wait(1000);
      load.mark("retire");
      const retired = await change({ change: "retire", kid: old.kid });
      await wait(1500);
      await load.until((answered, signers) => answered > 20 && signers.length > 1);
      const { answered, refused, signers, figure } = await load.stop();
      const published = (await ask("GET", "/.well-known/jwks.json", { plainly: true })).json.keys.map((key) => key.kid);
      const signer = retired.find((key) => key.phase === "signing");
      const all = [...new Set([before, rotated, retired].flat().filter((key) => key.phase !== "gone" || key.kid === old.kid).map((key) => key.kid))];
      return {
        ok: refused === 0 && answered > 20 && signer.kid !== old.kid && !published.includes(old.kid)
          && signers.at(-1) === signer.kid && signers[0] === old.kid && published.some((kid) => !before.some((key) => key.kid === kid)),
        before: `${short(old.kid)} signs; ${count(before.filter(inSet).length)} keys in the set`,
        after: `${short(signer.kid)} signs, ${short(old.kid)} is out of the set; ${count(answered)} requests meanwhile, ${count(refused)} refused`,
        figure,
        head: ["key", "before", "rotated", "retired"],
        rows: all.map((kid) => [short(kid), ...[before, rotated, retired].map((keys) => PHASES[keys.find((key) => key.kid === kid)?.phase] ?? "–")]),
        request: "POST /keys/rotate\nPOST /keys/retire\n{\"kid\":\"" + short(old.kid) + "\"}\n  to control.sock of the gateway, as: countersign keys rotate, countersign keys retire KID\nGET /orders/received   without a pause",
        why: `The key that signs next was in the set all along, so no service ever meets one it has not seen. Planned, it takes over ${when(rotated)}; taken out in an emergency, at once. A new one stands by.`,
      };
    }]],
  },
];

function show(place, { ok, verdict: said, before, after, figure, head, rows, request, why }) {
  const list = element("dl");
  const line = (name, ...value) => list.append(element("dt", {}, name), element("dd", {}, ...value));
  if (before) line("before", before);
  if (after) line("after", after);
  const parts = [list];
  if (figure) parts.push(figure);
  if (rows) {
    const table = element("table");
    if (head) table.append(element("thead", {}, element("tr", {}, ...head.map((name) => element("th", { scope: "col" }, name)))));
    table.append(element("tbody", {}, ...rows.map(([name, ...values]) =>
      element("tr", {}, element("th", { scope: "row" }, name), ...values.map((value) => element("td", { className: value.length < 30 ? "number" : "" }, value))))));
    parts.push(table);
  }
  if (request) parts.push(element("pre", { tabIndex: 0, role: "group", ariaLabel: "The request" }, request));
  if (why) parts.push(element("p", { className: "why" }, why));
  const verdict = element("p", { className: `verdict ${ok ? "good" : "bad"}` }, said ?? (ok ? "✓ as it should be" : "✗ not as it should be"));
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
      ok: false, verdict: "✗ lost, as it is without the client", before: `${query.get("gone")} characters in the note`, after: `${byId("note").value.length} characters`,
      request: "POST /notes/ → 401\nLocation: the log-in page, and back", why: "A redirect leaves the page, and everything in it that was not saved.",
    });
    byId("step-6").scrollIntoView({ block: "center" });
  }
  if (!alone) return;
  const report = [];
  for (const step of steps) {
    const told = { ok: true, seen: [] };
    // without the client the log-in leaves the page, and with it the report
    for (const [label, action] of step.actions.filter(([label]) => label !== LEAVES)) {
      try {
        const result = await action();
        show(step.place, result);
        told.ok &&= result.ok;
        told.seen.push(inWords(result));
      } catch (error) {
        told.ok = false;
        told.seen.push(`${label}: ${error.message}`);
      }
    }
    report.push({ ok: told.ok, seen: told.seen.join("\n") });
  }
  await backstage("POST", "report", report);
});
