// Cold start: the processor time of a Node process that loads the function, beside that of an empty one.
//
// `node tests/bench/edge/cold.mjs [--gate] [--sdk DIR]`; DIR is where peers.sh installed the SDK's KMS client, which a handler
// that doesn't sign for itself would load. With `--gate` it fails above 15 ms over an empty Node.

import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

import { median, table } from './rounds.mjs';

const here = mkdtempSync(join(tmpdir(), 'cold-'));
const handler = new URL('../../../edge/index.mjs', import.meta.url);
const tell = "process.on('exit', () => { const { user, system } = process.cpuUsage(); process.stdout.write(String(user + system)); });\n";
const programs = { 'an empty node': '', 'our handler': `import ${JSON.stringify(handler.href)};\n` };
const sdk = process.argv[process.argv.indexOf('--sdk') + 1];
if (process.argv.includes('--sdk')) {
  const client = pathToFileURL(join(sdk, 'node_modules/@aws-sdk/client-kms/dist-cjs/index.js')).href;
  programs['the SDK’s KMS client'] = `import kms from ${JSON.stringify(client)};\nnew kms.KMSClient({ region: 'us-east-1' });\n`;
}

const taken = {};
for (const [name, source] of Object.entries(programs)) {
  taken[name] = [];
  writeFileSync(join(here, `${name}.mjs`), tell + source);
}
for (let round = -1; round < 15; round += 1) {
  for (const name of Object.keys(programs)) {
    const { stdout, stderr, status } = spawnSync(process.execPath, [join(here, `${name}.mjs`)], { encoding: 'utf8' });
    if (status !== 0) throw new Error(stderr);
    if (round >= 0) taken[name].push(Number(stdout) / 1000);
  }
}
rmSync(here, { recursive: true });

const empty = median(taken['an empty node']);
console.log(`node ${process.version}; milliseconds of processor time, the median of 15`);
table(Object.entries(taken).map(([what, times]) => ({ what, taken: median(times), 'above an empty node': median(times) - empty })));
if (process.argv.includes('--gate') && median(taken['our handler']) - empty > 15) process.exitCode = 1;
