"use strict";

// What the steps measure with, and how they draw it.

const count = (number) => number.toLocaleString("en");
const wait = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** A thousand requests, fifty at a time, and how often the old server was asked meanwhile. */
async function thousand(path) {
  const before = await timesAsked();
  const begin = performance.now();
  let good = 0;
  for (let round = 0; round < 20; round += 1) {
    const replies = await Promise.all(Array.from({ length: 50 }, () => ask("GET", path)));
    good += replies.filter((reply) => reply.ok).length;
  }
  const seconds = (performance.now() - begin) / 1000;
  const asked = (await timesAsked()) - before;
  await showAsked();
  return { good, asked, seconds };
}

const PHASES = { signing: "signs", published: "stands by", verifying_only: "verifies", gone: "gone" };
const short = (kid) => `${kid.slice(0, 6)}…`;
const inSet = (key) => key.phase !== "gone";

const keysNow = async () => (await backstage("GET", "keys")).keys;

/** The keys after a change; what an operator would be told if it was not done. */
async function change(body) {
  const { keys, error } = await backstage("POST", "keys", body);
  if (!keys) throw new Error(error);
  return keys;
}

/** When the key that is planned begins to sign. */
function when(keys) {
  const planned = keys.find((key) => key.phase === "published" && key.signs_from);
  return planned ? `on ${new Date(planned.signs_from).toLocaleString("en", { dateStyle: "medium", timeStyle: "short" })}` : "when it has been in the set for a day";
}

/** Requests without a pause, four at a time. `until` waits for what a busy machine may be late with; `stop` tells what came of them. */
function underLoad() {
  const begin = performance.now();
  const [seen, marks, signers] = [[], [], []];
  let [runs, refused] = [true, 0];
  const one = async () => {
    while (runs) {
      const { ok, json } = await ask("GET", "/orders/received");
      seen.push(performance.now() - begin);
      if (!ok) refused += 1;
      else if (!signers.includes(json.token.key)) signers.push(json.token.key);
      await wait(5);
    }
  };
  const all = Promise.all([one(), one(), one(), one()]);
  return {
    mark: (name) => marks.push([name, performance.now() - begin]),
    until: async (isSo) => {
      const latest = performance.now() + 60_000;
      while (performance.now() < latest && !isSo(seen.length - refused, signers)) await wait(20);
    },
    stop: async () => {
      runs = false;
      await all;
      return { answered: seen.length - refused, refused, signers, figure: chart(seen, marks) };
    },
  };
}

const drawn = (name, attributes, ...children) => {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
};

/** Answers in each fifth of a second, and what was done when. */
function chart(moments, marks) {
  const [width, height, top] = [320, 72, 16];
  const bars = Array(Math.max(1, Math.floor(Math.max(...moments) / 200))).fill(0);
  for (const moment of moments) if (moment / 200 < bars.length) bars[Math.floor(moment / 200)] += 1;
  const [each, most] = [width / bars.length, Math.max(...bars, 1)];
  const shapes = bars.map((number, place) => {
    const tall = (number / most) * (height - top);
    return drawn("rect", { x: place * each + 1, y: height - tall, width: Math.max(1, each - 2), height: tall, rx: 1.5 });
  });
  for (const [name, moment] of marks) {
    const x = (moment / 200) * each;
    shapes.push(drawn("line", { x1: x, x2: x, y1: 0, y2: height }), drawn("text", { x: x + 4, y: 10 }, name));
  }
  const label = `Requests answered in each fifth of a second: ${bars.join(", ")}`;
  return drawn("svg", { class: "chart", viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label }, ...shapes);
}
