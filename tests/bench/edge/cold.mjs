// Cold start: the processor time of a Node process up to where the function has its signed Decrypt request ready, beside that
// of an empty one. The function begins it while its module loads.
//
// `node tests/bench/edge/cold.mjs [--gate] [--sdk DIR]`; DIR is where peers.sh installed the SDK's KMS client, which a handler
// that doesn't sign for itself would load. With `--gate` it fails above 40 ms over an empty Node.

import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

import { median, table } from './rounds.mjs';

const ROUNDS = 25;
const ARN = 'arn:aws:kms:us-east-1:111122223333:key/0a1b2c3d';
const CIPHERTEXT = Buffer.alloc(180, 7).toString('base64');
const CONTEXT = { 'packagecloud:enterprise': 'packages' };
// A port of loopback that nobody listens on: TLS is set up, and the connection refused.
const NOBODY = 'https://127.0.0.1:9';

const here = mkdtempSync(join(tmpdir(), 'cold-'));
const keys = [{ arn: ARN, ciphertext: CIPHERTEXT, context: CONTEXT }];
for (const folder of ['whole', 'ready']) {
  mkdirSync(join(here, folder));
  for (const file of ['index.mjs', 'secrets.mjs', 'token.mjs']) {
    copyFileSync(new URL(`../../../edge/${file}`, import.meta.url), join(here, folder, file));
  }
  writeFileSync(join(here, folder, 'keys.json'), JSON.stringify({ construction: 'decoded:path+expires', keys }));
}
// One copy stops where the request is signed.
const SENDING = 'const request = call.protocol';
const secrets = readFileSync(join(here, 'ready', 'secrets.mjs'), 'utf8');
if (!secrets.includes(SENDING)) throw new Error('secrets.mjs sends in another way: tell this benchmark where');
writeFileSync(join(here, 'ready', 'secrets.mjs'), secrets.replace(SENDING, `await new Promise(() => {});\n  ${SENDING}`));
const request = {
  clientIp: '203.0.113.178',
  headers: { host: [{ key: 'Host', value: 'd111111abcdef8.cloudfront.net' }] },
  method: 'GET',
  querystring: `t=1999999999_${'0'.repeat(40)}`,
  uri: '/7/8/debian/package_files/97310.deb',
};
const event = JSON.stringify({ Records: [{ cf: { config: {}, request } }] });

const load = (folder) => `const { handler } = await import('./${folder}/index.mjs');\n`;
const call = `console.error = () => {};\nconst answer = handler(${event});\n`;
const programs = {
  'an empty node': '',
  'our handler, Decrypt ready': load('ready'),
  'our handler, Decrypt sent': `${load('whole')}${call}if ((await answer).status !== '503') throw new Error('somebody answered');\n`,
};
if (process.argv.includes('--sdk')) {
  const sdk = process.argv[process.argv.indexOf('--sdk') + 1];
  const client = pathToFileURL(join(sdk, 'node_modules/@aws-sdk/client-kms/dist-cjs/index.js')).href;
  const loaded = `import kms from ${JSON.stringify(client)};\nconst client = new kms.KMSClient({ region: 'us-east-1', maxAttempts: 2 });\n`;
  const input = `{ KeyId: '${ARN}', CiphertextBlob: Buffer.from('${CIPHERTEXT}', 'base64'), EncryptionContext: ${JSON.stringify(CONTEXT)} }`;
  const sent = `await client.send(new kms.DecryptCommand(${input})).then(() => { throw new Error('somebody answered'); }, () => {});\n`;
  programs['the SDK’s KMS client, loaded'] = loaded;
  programs['the SDK’s KMS client, Decrypt sent'] = loaded + sent;
}

const tell = "process.on('exit', () => { const { user, system } = process.cpuUsage(); process.stdout.write(String(user + system)); });\n";
const env = { AWS_ACCESS_KEY_ID: 'ASIAIOSFODNN7EXAMPLE', AWS_SECRET_ACCESS_KEY: 'secret', AWS_SESSION_TOKEN: 'session', AWS_ENDPOINT_URL_KMS: NOBODY };
const taken = {};
for (const [name, source] of Object.entries(programs)) {
  taken[name] = [];
  writeFileSync(join(here, `${name}.mjs`), tell + source);
}
for (let round = -1; round < ROUNDS; round += 1) {
  for (const name of Object.keys(programs)) {
    const { stdout, stderr, status } = spawnSync(process.execPath, [join(here, `${name}.mjs`)], { encoding: 'utf8', env });
    if (status !== 0) throw new Error(stderr);
    if (round >= 0) taken[name].push(Number(stdout) / 1000);
  }
}
rmSync(here, { recursive: true });

// Within a round a busy machine was busy for all of them.
const above = (name) => median(taken[name].map((time, round) => time - taken['an empty node'][round]));
console.log(`node ${process.version}; milliseconds of processor time, the median of ${ROUNDS}`);
table(Object.keys(taken).map((what) => ({ what, taken: median(taken[what]), 'above an empty node': above(what) })));
if (process.argv.includes('--gate') && above('our handler, Decrypt ready') > 40) process.exitCode = 1;
