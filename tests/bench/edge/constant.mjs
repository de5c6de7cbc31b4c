// Whether the time of a comparison tells where a token goes wrong: it must not matter which byte is the first wrong one.
//
// `node tests/bench/edge/constant.mjs [--gate]`. Calls take turns at random; a classical t-test over the means of small
// batches, the slowest tenth dropped, compares "wrong at the first byte" with "wrong at the last"; |t| above 4.5 would be a leak.

import { createHmac, randomBytes } from 'node:crypto';

import { check } from '../../../edge/token.mjs';

const KEY = new Uint8Array(randomBytes(32));
const PATH = '/7/8/debian/package_files/97310.deb';
const EXPIRES = '1999999999';
const BATCHES = 6000;
const CALLS = 20;

let leaks = false;
console.log(`node ${process.version}`);
for (const algorithm of ['sha256', 'sha1']) {
  const mac = createHmac(algorithm, KEY).update(PATH + EXPIRES).digest('hex');
  const wrongAt = (at) => ({
    uri: PATH,
    method: 'GET',
    querystring: `t=${EXPIRES}_${mac.slice(0, at)}${(parseInt(mac[at], 16) ^ 1).toString(16)}${mac.slice(at + 1)}`,
  });
  const places = { first: wrongAt(0), middle: wrongAt(mac.length / 2), last: wrongAt(mac.length - 1) };
  const taken = { first: [], middle: [], last: [] };
  for (let batch = 0; batch < BATCHES * 3; batch += 1) {
    const place = Object.keys(places)[Math.floor(Math.random() * 3)];
    const started = process.hrtime.bigint();
    for (let call = 0; call < CALLS; call += 1) check(places[place], [KEY], 0);
    if (batch > 600) taken[place].push(Number(process.hrtime.bigint() - started) / CALLS);
  }
  const kept = Object.fromEntries(
    Object.entries(taken).map(([place, times]) => [place, times.toSorted((a, b) => a - b).slice(0, Math.floor(times.length * 0.9))]),
  );
  const mean = (times) => times.reduce((sum, time) => sum + time, 0) / times.length;
  const spread = (times) => mean(times.map((time) => (time - mean(times)) ** 2)) / times.length;
  const t = (mean(kept.first) - mean(kept.last)) / Math.sqrt(spread(kept.first) + spread(kept.last));
  const means = Object.entries(kept).map(([place, times]) => `${place} ${mean(times).toFixed(0)} ns`);
  console.log(`${algorithm}: wrong at the ${means.join(', ')}; first against last t = ${t.toFixed(2)}`);
  leaks ||= Math.abs(t) > 4.5;
}
if (process.argv.includes('--gate') && leaks) process.exitCode = 1;
