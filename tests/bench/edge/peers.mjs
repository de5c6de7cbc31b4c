// check() beside what others do with a request: a JSON Web Token, and CloudFront's own signed URLs (RSA), verified in Node.
//
// `node tests/bench/edge/peers.mjs DIR`, where DIR holds jsonwebtoken and jose; peers.sh does it all.

import { createHmac, createPublicKey, createSecretKey, generateKeyPairSync, randomBytes, sign, verify } from 'node:crypto';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

import { check } from '../../../edge/token.mjs';
import { median, rounds, spent, table } from './rounds.mjs';

const require = createRequire(pathToFileURL(join(process.argv[2], 'package.json')));
const jwt = require('jsonwebtoken');
const { SignJWT, jwtVerify } = await import(pathToFileURL(require.resolve('jose')));

const KEY = new Uint8Array(randomBytes(32));
const PATH = '/7/8/debian/package_files/97310.deb';
const EXPIRES = 1999999999;

const mac = createHmac('sha256', KEY).update(PATH + EXPIRES).digest('hex');
const request = { uri: PATH, querystring: `t=${EXPIRES}_${mac}`, method: 'GET' };

const secret = createSecretKey(KEY);
const signed = jwt.sign({ sub: PATH, exp: EXPIRES }, secret);
const josed = await new SignJWT({ sub: PATH }).setProtectedHeader({ alg: 'HS256' }).setExpirationTime(EXPIRES).sign(KEY);

const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
const verifier = createPublicKey(publicKey.export({ type: 'spki', format: 'pem' }));
const policy = Buffer.from(
  `{"Statement":[{"Resource":"https://d1.cloudfront.net${PATH}","Condition":{"DateLessThan":{"AWS:EpochTime":${EXPIRES}}}}]}`,
);
const signature = sign('sha1', policy, privateKey);

const must = (verdict) => {
  if (!verdict) throw new Error('a benchmark’s own token is refused');
};
const [ours, jsonwebtoken, cloudfront] = rounds(3000, [
  () => must(check(request, [KEY], 0).ok),
  () => must(jwt.verify(signed, secret).sub === PATH),
  () => must(verify('sha1', policy, verifier, signature)),
]);
// jose is asynchronous only: in rounds of its own.
const joses = [];
for (let round = 0; round < 8; round += 1) {
  const started = spent();
  for (let call = 0; call < 3000; call += 1) must((await jwtVerify(josed, KEY)).payload.sub === PATH);
  if (round > 0) joses.push((spent() - started) / 3000);
}

console.log(`node ${process.version}; nanoseconds of processor time a request`);
const all = { 'check(), HMAC-SHA-256': ours, 'jsonwebtoken, HS256': jsonwebtoken, 'jose, HS256': median(joses), 'CloudFront’s signed URL, RSA-SHA1': cloudfront };
table(Object.entries(all).map(([what, taken]) => ({ what, taken, 'times check()': taken / ours })));
