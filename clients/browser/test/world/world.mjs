// Everything a test needs: old server, gateway, service with a database, browser.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { once } from 'node:events';
import { chromium } from 'playwright-core';
import { FakeGateway } from './fake_gateway.mjs';
import { COOKIE, OldServer } from './old_server.mjs';
import { RealGateway } from './real_gateway.mjs';

/** The built gateway, if the tests are to run against it. */
export const BINARY = process.env.COUNTERSIGN_BINARY;

export class World {
  /** Starts it all; ended by `stop`. */
  static async start(settings = {}) {
    const world = new World();
    world.folder = mkdtempSync(join(tmpdir(), 'countersign-browser-'));
    const program = new URL('service.py', import.meta.url).pathname;
    world.service = spawn('python3', [program, join(world.folder, 'notes.db')], { stdio: ['ignore', 'pipe', 'inherit'] });
    world.servicePort = Number(String((await once(world.service.stdout, 'data'))[0]).trim());
    world.old = new OldServer();
    await world.old.start();
    world.gateway = BINARY
      ? new RealGateway(world.old, world.servicePort, world.folder, BINARY, settings)
      : Object.assign(new FakeGateway(world.old, world.servicePort), settings);
    await world.gateway.start();
    world.browser = await chromium.launch({
      executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
      args: ['--no-sandbox'],
      // as people have it: windows are blocked, and Back shows a page that was kept
      ignoreDefaultArgs: ['--disable-popup-blocking', '--disable-back-forward-cache'],
    });
    return world;
  }
  async stop() {
    await this.browser.close();
    this.service.kill();
    this.old.stop();
    await this.gateway.stop();
    rmSync(this.folder, { recursive: true });
  }

  /** A browser of its own, with a session of that user. */
  async profile(user, seconds) {
    const context = await this.browser.newContext();
    context.setDefaultTimeout(30_000); // on a busy machine
    if (user) await this.logIn(context, user, seconds);
    return context;
  }
  async logIn(context, user, seconds) {
    await context.addCookies([{ name: COOKIE, value: this.old.begin(user, seconds), url: this.gateway.origin, httpOnly: true, sameSite: 'Lax' }]);
  }
  /** A tab with the application, after the gateway has answered. */
  async open(context, { options = {}, clock, path = '/app.html' } = {}) {
    const page = await context.newPage();
    if (clock !== undefined) await page.clock.install({ time: Date.now() + clock });
    await page.goto(`${this.gateway.origin}${path}?options=${encodeURIComponent(JSON.stringify(options))}`);
    await page.evaluate(() => window.started);
    return page;
  }
  /** The old server forgets everybody, and the gateway is about to notice. */
  async endSessions() {
    this.old.endAll();
    if (BINARY) await new Promise((resolve) => setTimeout(resolve, 1100)); // `recheck` of the gateway
  }
  /** The rows in the service's database. */
  async rows() {
    const response = await fetch(`http://127.0.0.1:${this.servicePort}/rows`);
    return response.json();
  }
  /** How many rows have that text, and whose they are. */
  async authorsOf(text) {
    return (await this.rows()).filter((row) => row[1] === text).map((row) => row[0]);
  }
}

/** Logs in by the old server's form in a window that a page opened. */
export const fillLogin = async (window, user) => {
  await window.getByLabel('user').fill(user);
  await window.getByRole('button', { name: 'Log in' }).click();
};

/** Opens the log-in from the banner and goes through it; the window closes itself. */
export const logInAgain = async (page, user) => {
  const opened = page.waitForEvent('popup');
  await page.getByRole('link', { name: 'Log in again' }).click();
  const window = await opened;
  const closed = window.waitForEvent('close');
  await fillLogin(window, user);
  await closed;
};

export const said = (page, expected) =>
  page.waitForFunction((text) => document.getElementById('said').textContent === text, expected);
export const state = (page, expected) =>
  page.waitForFunction((name) => window.session?.snapshot().state === name, expected);
export const told = (page, name) =>
  page.evaluate((wanted) => window.told.filter(([each]) => each === wanted).map(([, event]) => event), name);
export const banner = (page) => page.locator('countersign-banner [role=region]');
