// The first request of an instance, far from KMS and at Lambda's share of a processor: how long a viewer waits for it.
//
// `node tests/bench/edge/far.mjs [--before DIR]`; DIR holds another state of edge/, which takes turns with this one in the same
// run. The module loads with a whole processor, as in Lambda's init phase; at the request the process goes into a control group
// with 128 MB's share (128 of 1769 of a processor, in periods of 20 ms). KMS is a TLS server whose every round trip takes as
// long as is said, the connection's own too. Needs root for the control group (cgroup v1 or v2), and openssl.

import { spawn, spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer as createTlsServer } from 'node:https';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { median, table } from './rounds.mjs';

const ROUNDS = 15;
const ROUND_TRIPS_MS = [20, 220, 320];
const PERIOD_US = 20_000;
const SHARE = 128 / 1769;
const SECRET = Buffer.from('0123456789abcdef0123456789abcdef').toString('base64');

const here = mkdtempSync(join(tmpdir(), 'far-'));
const states = { now: fileURLToPath(new URL('../../../edge/', import.meta.url)) };
if (process.argv.includes('--before')) states.before = process.argv[process.argv.indexOf('--before') + 1];

/** A control group with Lambda's share. */
function makeShare() {
  const one = '/sys/fs/cgroup/cpu';
  const two = '/sys/fs/cgroup';
  const group = join(existsSync(join(one, 'cpu.cfs_quota_us')) ? one : two, `far-${process.pid}`);
  mkdirSync(group);
  const quota = Math.round(PERIOD_US * SHARE);
  if (group.startsWith(`${one}/`)) {
    writeFileSync(join(group, 'cpu.cfs_period_us'), String(PERIOD_US));
    writeFileSync(join(group, 'cpu.cfs_quota_us'), String(quota));
  } else {
    writeFileSync(join(group, 'cpu.max'), `${quota} ${PERIOD_US}`);
  }
  return group;
}

function makeCertificate() {
  const [key, cert] = [join(here, 'key.pem'), join(here, 'cert.pem')];
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost'];
  const made = spawnSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2', '-keyout', key, '-out', cert, ...subject]);
  if (made.status !== 0) throw new Error(`openssl: ${made.stderr}`);
  return { key: readFileSync(key), cert: readFileSync(cert), file: cert };
}

const listening = (server) =>
  new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server.address().port)));

/** KMS, and before it a way that takes `trip()` milliseconds there and back. */
async function startKms({ key, cert }, trip) {
  const kms = createTlsServer({ key, cert }, (request, response) => {
    request.resume().on('end', () => response.end(JSON.stringify({ Plaintext: Buffer.from(SECRET).toString('base64') })));
  });
  const behind = await listening(kms);
  const way = createServer((near) => {
    const far = connect(behind, '127.0.0.1');
    // A connection takes a round trip before its first byte.
    const since = performance.now();
    const carry = (from, to, first) =>
      from.on('data', (bytes) => {
        const wait = Math.max(trip() / 2, first - (performance.now() - since) + trip() / 2);
        setTimeout(() => to.write(bytes), wait);
      });
    carry(near, far, trip());
    carry(far, near, 0);
    for (const [one, other] of [[near, far], [far, near]]) {
      // What is on its way arrives first.
      one.on('error', () => other.destroy()).on('close', () => setTimeout(() => other.destroy(), 2 * trip()));
    }
  });
  return { port: await listening(way), stop: () => [kms, way].forEach((server) => server.close()) };
}

const keys = [{ arn: 'arn:aws:kms:us-east-1:111122223333:key/0a1b2c3d', ciphertext: Buffer.alloc(180, 7).toString('base64'), context: {} }];
for (const [name, folder] of Object.entries(states)) {
  mkdirSync(join(here, name));
  for (const file of ['index.mjs', 'secrets.mjs', 'token.mjs']) copyFileSync(join(folder, file), join(here, name, file));
  writeFileSync(join(here, name, 'keys.json'), JSON.stringify({ construction: 'decoded:path+expires', keys }));
  const request = { clientIp: '203.0.113.178', headers: {}, method: 'GET', querystring: '', uri: '/7/8/a.deb' };
  writeFileSync(
    join(here, name, 'runtime.mjs'),
    `import { createHmac } from 'node:crypto';
     const { handler } = await import('./index.mjs');
     process.send('loaded');
     process.once('message', async () => {
       const began = performance.now();
       const expires = String(Math.floor(Date.now() / 1000) + 300);
       const mac = createHmac('sha1', Buffer.from('${SECRET}', 'base64')).update('/7/8/a.deb' + expires).digest('hex');
       const request = { ...${JSON.stringify(request)}, querystring: \`t=\${expires}_\${mac}\` };
       const answer = await handler({ Records: [{ cf: { config: {}, request } }] });
       process.send({ took: performance.now() - began, status: answer.status ?? 'accepted' }, () => process.exit());
     });`,
  );
}

/** One instance: milliseconds from its first request to the answer, and what that was. */
function runInstance(name, group, port, ca) {
  const env = { AWS_ACCESS_KEY_ID: 'ASIAIOSFODNN7EXAMPLE', AWS_SECRET_ACCESS_KEY: 'secret', AWS_SESSION_TOKEN: 'session', AWS_ENDPOINT_URL_KMS: `https://localhost:${port}`, NODE_EXTRA_CA_CERTS: ca };
  const child = spawn(process.execPath, [join(here, name, 'runtime.mjs')], { env, stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
  return new Promise((resolve, reject) => {
    child.on('exit', () => reject(new Error(`${name} ended without an answer`)));
    child.on('message', (message) => {
      if (message !== 'loaded') return resolve(message);
      writeFileSync(join(group, 'cgroup.procs'), String(child.pid));
      return child.send('go');
    });
  });
}

const group = makeShare();
try {
  const certificate = makeCertificate();
  const rows = [];
  for (const trip of ROUND_TRIPS_MS) {
    const kms = await startKms(certificate, () => trip);
    const taken = Object.fromEntries(Object.keys(states).map((name) => [name, []]));
    const refused = Object.fromEntries(Object.keys(states).map((name) => [name, 0]));
    for (let round = 0; round < ROUNDS; round += 1) {
      for (const name of Object.keys(states)) {
        const { took, status } = await runInstance(name, group, kms.port, certificate.file);
        taken[name].push(took);
        if (status !== 'accepted') refused[name] += 1;
      }
    }
    kms.stop();
    for (const name of Object.keys(states)) {
      const sorted = taken[name].toSorted((a, b) => a - b);
      rows.push({ 'round trip': trip, edge: name, 'median ms': median(sorted), least: sorted[0], most: sorted.at(-1), refused: refused[name] });
    }
  }
  console.log(`node ${process.version}; milliseconds from an instance's first request to its answer, ${ROUNDS} instances each`);
  table(rows);
} finally {
  // A group goes once its last process has.
  for (let tries = 0; tries < 100; tries += 1) {
    try {
      rmdirSync(group);
      break;
    } catch {
      await new Promise((later) => setTimeout(later, 50));
    }
  }
  rmSync(here, { recursive: true });
}
