// Whether the time of a comparison tells where a token goes wrong: it must not matter which byte is the first wrong one.
//
// `node tests/bench/edge/constant.mjs [--gate]`. Pairs of small batches, "wrong at the first byte" and "wrong at the last", in random
// order; a t-test over the pairs' differences, the outer tenths dropped. A shared machine is never quiet, and two texts
// never lie alike in memory: so five repeats, each with texts of its own, and a leak is what shows in all of them with one sign.

import { createHmac, randomBytes } from 'node:crypto';

import { check } from '../../../edge/token.mjs';
import { median } from './rounds.mjs';

const KEY = new Uint8Array(randomBytes(32));
const EXPIRES = '1999999999';
const REPEATS = 5;
const PAIRS = 4000;
const CALLS = 10;

function difference(algorithm) {
  const path = `/7/8/debian/package_files/${randomBytes(4).toString('hex')}.deb`;
  const mac = createHmac(algorithm, KEY).update(path + EXPIRES).digest('hex');
  // Through bytes, as from the network: a text that was put together is read more slowly, by where it was.
  const wrongAt = (at) => {
    const wrong = `t=${EXPIRES}_${mac.slice(0, at)}${(parseInt(mac[at], 16) ^ 1).toString(16)}${mac.slice(at + 1)}`;
    return { uri: path, method: 'GET', querystring: Buffer.from(wrong).toString('latin1') };
  };
  const taken = (request) => {
    const started = process.hrtime.bigint();
    for (let call = 0; call < CALLS; call += 1) check(request, [KEY], 0);
    return Number(process.hrtime.bigint() - started) / CALLS;
  };
  const places = [wrongAt(0), wrongAt(mac.length - 1)];
  const times = [0, 0];
  const differences = [];
  for (let pair = -500; pair < PAIRS; pair += 1) {
    // From one place in the code: two would be compiled twice, and one of them lies better.
    const begin = Math.random() < 0.5 ? 0 : 1;
    for (const place of [begin, 1 - begin]) times[place] = taken(places[place]);
    if (pair >= 0) differences.push(times[1] - times[0]);
  }
  const kept = differences.toSorted((a, b) => a - b).slice(PAIRS / 10, -PAIRS / 10);
  const mean = kept.reduce((sum, time) => sum + time, 0) / kept.length;
  const variance = kept.reduce((sum, time) => sum + (time - mean) ** 2, 0) / kept.length;
  return { mean, t: mean / Math.sqrt(variance / kept.length) };
}

let leaks = false;
console.log(`node ${process.version}; wrong at the last byte takes longer than at the first by`);
for (const algorithm of ['sha256', 'sha1']) {
  const repeats = Array.from({ length: REPEATS }, () => difference(algorithm));
  const ts = repeats.map(({ t }) => t);
  const said = repeats.map(({ mean, t }) => `${mean.toFixed(1)} ns (t ${t.toFixed(1)})`);
  const leak = ts.every((t) => t > 4.5) || ts.every((t) => t < -4.5);
  console.log(`${algorithm}: ${said.join(', ')}; the median ${median(repeats.map(({ mean }) => mean)).toFixed(1)} ns: ${leak ? 'a leak' : 'no leak'}`);
  leaks ||= leak;
}
if (process.argv.includes('--gate') && leaks) process.exitCode = 1;
