// The built gateway, in front of the same old server and service.
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { join } from 'node:path';

const freePort = async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
};

export class RealGateway {
  constructor(old, servicePort, folder, binary, settings) {
    Object.assign(this, { old, servicePort, folder, binary, settings, counts: undefined });
  }
  async start() {
    if (this.port) return this.run();
    // a port that was free a moment ago may be somebody else's
    for (let tries = 1; ; tries += 1) {
      [this.port, this.admin] = [await freePort(), await freePort()];
      try {
        return await this.run();
      } catch (error) {
        if (tries === 3 || !/in use|AddrInUse/i.test(error.message)) throw error;
      }
    }
  }
  async run() {
    this.origin = `http://localhost:${this.port}`;
    const file = join(this.folder, 'gateway.toml');
    const { bearer, logoutUrl, allowed = [], socketPort } = this.settings;
    writeFileSync(file, `issuer = "${this.origin}"
listen = "127.0.0.1:${this.port}"
admin_listen = "127.0.0.1:${this.admin}"
state_dir = "${join(this.folder, 'state')}"
workers = 1
[session]
cookie = "SESSION"
whoami = "http://127.0.0.1:${this.old.port}/me"
no = { status = [401] }
recheck = "1s"
[claims]
username = "session.name"
roles = "session.roles"
organisation = "session.org"
[browser]
login_url = "${this.old.origin}/login?next={return}"
${logoutUrl ? `logout_url = "${logoutUrl(this.old)}"` : ''}
mode = "${bearer ? 'bearer' : 'cookie'}"
allowed_origins = ${JSON.stringify(allowed)}
${bearer ? `audiences = ["notes"]` : ""}
[[route]]
path = "/notes/"
upstream = "http://127.0.0.1:${this.servicePort}"
audience = "notes"
allowed_origins = ${JSON.stringify(allowed)}
${socketPort ? `[[route]]
path = "/socket/"
upstream = "http://127.0.0.1:${socketPort}"
audience = "socket"
upgrade = true
allowed_origins = ${JSON.stringify(allowed)}` : ''}
[[route]]
path = "/"
upstream = "http://127.0.0.1:${this.old.port}"
legacy = true
`);
    this.process = spawn(this.binary, ['run', '--config', file], { stdio: ['ignore', 'pipe', 'pipe'] });
    let log = '';
    for (const stream of [this.process.stdout, this.process.stderr]) stream.on('data', (chunk) => (log += chunk));
    for (let tries = 0; ; tries += 1) {
      const answer = await fetch(`http://127.0.0.1:${this.admin}/readyz`).catch(() => undefined);
      if (answer?.ok) return;
      if (tries > 1500 || this.process.exitCode !== null) throw new Error(`the gateway does not start:\n${log}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
  async stop() {
    if (this.process.exitCode !== null) return;
    this.process.kill('SIGKILL');
    await once(this.process, 'exit');
  }
}
