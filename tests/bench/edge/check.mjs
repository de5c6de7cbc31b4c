// check() beside the bare HMAC that it can't do without: the median of seven interleaved rounds, in one process.
//
// `node tests/bench/edge/check.mjs [--gate]`; with `--gate` it fails below 0.8 of the bare HMAC's speed.

import { createHmac, createSecretKey, randomBytes } from 'node:crypto';

import { check } from '../../../edge/token.mjs';
import { rounds, table } from './rounds.mjs';

const KEY = new Uint8Array(randomBytes(32));
const KEY_OBJECT = createSecretKey(KEY);
const EXPIRES = '1999999999';
const results = [];

for (const algorithm of ['sha256', 'sha1']) {
  for (const [kind, uri, path] of [
    ['a package', '/7/8/debian/package_files/97310.deb', '/7/8/debian/package_files/97310.deb'],
    ['an escaped path', '/7/8/java_artifact/libstdc%2B%2B%20%C3%A9.jar', '/7/8/java_artifact/libstdc++ é.jar'],
  ]) {
    const message = path + EXPIRES;
    const mac = createHmac(algorithm, KEY).update(message).digest('hex');
    const request = { uri, querystring: `t=${EXPIRES}_${mac}`, method: 'GET' };
    const keys = [KEY];
    if (!check(request, keys, 0).ok) throw new Error('the benchmark’s own token is refused');
    const [bytes, object, checked] = rounds(20_000, [
      () => createHmac(algorithm, KEY).update(message).digest(),
      () => createHmac(algorithm, KEY_OBJECT).update(message).digest(),
      () => check(request, keys, 0),
    ]);
    results.push({ algorithm, kind, 'bare, bytes': bytes, 'bare, key object': object, 'check()': checked, 'of the faster bare': Math.min(bytes, object) / checked });
  }
}

console.log(`node ${process.version}; nanoseconds of processor time a call`);
table(results);
const slow = results.filter((result) => result.kind === 'a package' && result['of the faster bare'] < 0.8);
if (process.argv.includes('--gate') && slow.length > 0) process.exitCode = 1;
