// The handler on events as CloudFront sends them, with a KMS on loopback that can fail; each test is an instance of its own.

import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, request as ask } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';

const ARN = 'arn:aws:kms:us-east-1:111122223333:key/0a1b2c3d';
const CONTEXT = { 'packagecloud:enterprise': 'packages' };
const CURRENT = Buffer.from('0123456789abcdef0123456789abcdef').toString('base64');
const PREVIOUS = Buffer.from('fedcba9876543210fedcba9876543210').toString('base64').replace(/=+$/, '');
const PATH = '/7/8/debian/package_files/97310.deb';

process.env.AWS_ACCESS_KEY_ID = 'ASIAIOSFODNN7EXAMPLE';
process.env.AWS_SECRET_ACCESS_KEY = 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY';
process.env.AWS_SESSION_TOKEN = 'a-session';

/** Waits for what comes by itself, a turn of the loop at a time: the clock of a test may stand still. */
async function until(met) {
  const began = performance.now();
  while (!met()) {
    assert.ok(performance.now() - began < 10_000, `it never came about: ${met}`);
    await new Promise((turn) => setImmediate(turn));
  }
}

/** Whatever was answered before is heard once a later answer is: there is one loop. */
function heard() {
  return new Promise((resolve, reject) => {
    const asked = ask(process.env.AWS_ENDPOINT_URL_KMS, { method: 'POST', agent: false }, (response) => {
      response.resume().on('end', resolve);
    });
    asked.on('error', reject);
    asked.end(JSON.stringify({ CiphertextBlob: '' }));
  });
}

/**
 * A KMS that knows one key: a ciphertext is `sealed:` and its plaintext. Each failure is for one request; `failing` has those
 * that are for each request of a ciphertext with another mark, which is opened without one.
 */
async function kms(t, failures = [], failing = {}) {
  const asked = [];
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (piece) => (body += piece));
    request.on('end', () => {
      asked.push({ method: request.method, url: request.url, headers: request.headers, body: JSON.parse(body) });
      const failure = failures.shift();
      const [mark, plain] = Buffer.from(asked.at(-1).body.CiphertextBlob, 'base64').toString().split(':');
      const answer = () => response.end(JSON.stringify({ KeyId: ARN, Plaintext: Buffer.from(plain).toString('base64') }));
      if (failure) return failure(response, answer);
      if (mark in failing) return (failing[mark] ?? answer)(response, answer);
      if (mark !== 'sealed') return refuse('InvalidCiphertextException')(response);
      return answer();
    });
  });
  await new Promise((listening) => server.listen(0, '127.0.0.1', listening));
  process.env.AWS_ENDPOINT_URL_KMS = `http://127.0.0.1:${server.address().port}`;
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return asked;
}

const refuse = (type, status = 400) => (response) => {
  response.statusCode = status;
  response.end(JSON.stringify({ __type: `com.amazonaws.kms#${type}`, message: 'a message that quotes what was sent' }));
};
const silent = () => {};
const stalling = (response) => response.write('{"Plaintext":');
const dripping = (response) => {
  const drip = setInterval(() => response.write(' '), 200);
  response.on('close', () => clearInterval(drip));
};
/** Answers well when it is told to. */
const late = () => {
  const held = (response, answer) => Object.assign(held, { response, answer });
  return held;
};
const broken = (response) => response.socket.destroy();
const nonsense = (response) => response.end('<html>');
const damaged = (response) => response.end(`{"Plaintext":"${Buffer.from(CURRENT).toString('base64')}"x`);
const quoting = (response) => response.end(`[${CURRENT.slice(0, 8)}]`);
const naming = (response) => refuse(CURRENT.slice(0, 20), 500)(response);
const wordless = (response) => response.end(JSON.stringify({ Plaintext: [CURRENT] }));

/** A fresh instance: its own module state, and a bundle's files around it. */
async function instance(t, { secrets = [CURRENT, PREVIOUS], construction = 'decoded:path+expires', keys } = {}) {
  const dir = mkdtempSync(join(tmpdir(), 'edge-'));
  t.after(() => rmSync(dir, { recursive: true }));
  for (const file of ['index.mjs', 'secrets.mjs', 'token.mjs']) {
    copyFileSync(fileURLToPath(new URL(file, import.meta.url)), join(dir, file));
  }
  const sealed = secrets.map((secret) => ({
    arn: ARN,
    ciphertext: Buffer.from(`sealed:${secret}`).toString('base64'),
    context: CONTEXT,
  }));
  writeFileSync(join(dir, 'keys.json'), keys ?? JSON.stringify({ construction, keys: sealed }));
  const { handler } = await import(pathToFileURL(join(dir, 'index.mjs')));
  return handler;
}

const event = (request = {}) => ({
  Records: [
    {
      cf: {
        config: {
          distributionDomainName: 'd111111abcdef8.cloudfront.net',
          distributionId: 'EDFDVBD6EXAMPLE',
          eventType: 'viewer-request',
          requestId: '4TyzHTaYWb1GX1qTfsHhEqV6HUDd_BzoBZnwfnvQc_1oF26ClkoUSEQ==',
        },
        request: {
          clientIp: '203.0.113.178',
          headers: {
            host: [{ key: 'Host', value: 'packages.example.com' }],
            'user-agent': [{ key: 'User-Agent', value: 'Debian APT-HTTP/1.3 (2.6.1)' }],
          },
          method: 'GET',
          querystring: '',
          uri: PATH,
          ...request,
        },
      },
    },
  ],
});

function token({ secret = CURRENT, path = PATH, lasts = 300, algorithm = 'sha1', key, message } = {}) {
  const expires = String(Math.floor(Date.now() / 1000) + lasts);
  const mac = createHmac(algorithm, key ?? Buffer.from(secret, 'base64')).update(message?.(path, expires) ?? path + expires);
  return `t=${expires}_${mac.digest('hex')}`;
}

function assertRefused(answer, status, reason) {
  assert.equal(answer.status, status);
  assert.equal(typeof answer.status, 'string', 'a number fails CloudFront’s validation');
  assert.equal(answer.headers['x-packagecloud-cloudfront'][0].value, reason);
  assert.equal(answer.headers['cache-control'][0].value, 'no-store');
  assert.match(answer.headers['content-type'][0].value, /^text\/plain/);
  assert.ok(answer.body.length > 20 && answer.body.length < 200);
  for (const [name, [{ key }]] of Object.entries(answer.headers)) assert.equal(key.toLowerCase(), name);
}

test('the handler declares one parameter', async (t) => {
  assert.equal((await instance(t)).length, 1);
});

test('a signed request goes on: an empty query string, a canonical uri, all else as it came', async (t) => {
  await kms(t);
  const handler = await instance(t);
  for (const method of ['GET', 'HEAD']) {
    for (const algorithm of ['sha1', 'sha256']) {
      for (const secret of [CURRENT, PREVIOUS]) {
        const came = event({ method, querystring: token({ algorithm, secret, path: '/7/8/a+é' }), uri: '/7/8/a%2b%c3%a9' });
        const goes = structuredClone(came.Records[0].cf.request);
        assert.deepEqual(await handler(came), { ...goes, uri: '/7/8/a%2B%C3%A9', querystring: '' });
      }
    }
  }
});

test('that an earlier secret accepted a link is said once an instance, without token or path', async (t) => {
  await kms(t);
  const said = [];
  t.mock.method(console, 'log', (...words) => said.push(words.join(' ')));
  const handler = await instance(t);
  const fetched = async (how) => assert.equal((await handler(event({ querystring: token(how) }))).uri, PATH);
  await fetched({});
  assert.deepEqual(said, [], 'a link by the current secret is nothing to tell');
  assertRefused(await handler(event({ querystring: token({ secret: PREVIOUS, lasts: -1 }) })), '403', 'expired');
  assert.deepEqual(said, [], 'nor is one that was refused');
  await fetched({ secret: PREVIOUS });
  await fetched({ secret: PREVIOUS, algorithm: 'sha256' });
  await fetched({});
  assert.deepEqual(said, ['an earlier secret accepted a link']);

  const another = await instance(t);
  assert.equal((await another(event({ querystring: token({ secret: PREVIOUS }) }))).uri, PATH);
  assert.equal(said.length, 2, 'each instance says it');
  const alone = await instance(t, { secrets: [CURRENT] });
  assert.equal((await alone(event({ querystring: token() }))).uri, PATH);
  assert.equal(said.length, 2);
});

test('a refusal says why, and what to do', async (t) => {
  await kms(t);
  const handler = await instance(t);
  const good = token();
  for (const [request, status, reason] of [
    [{ querystring: good, method: 'POST' }, '405', 'bad-method'],
    [{ querystring: good, uri: '/7/../8' }, '403', 'bad-path'],
    [{}, '403', 'missing-token'],
    [{ querystring: `${good}&x=1` }, '403', 'malformed-token'],
    [{ querystring: good, uri: '/7/8/other.deb' }, '403', 'bad-signature'],
    [{ querystring: token({ lasts: -1 }) }, '403', 'expired'],
  ]) {
    assertRefused(await handler(event(request)), status, reason);
  }
  assert.equal((await handler(event({ method: 'PUT' }))).headers.allow[0].value, 'GET, HEAD');
});

test('the construction is data: raw keys, and the host that the viewer asked', async (t) => {
  await kms(t);
  const raw = await instance(t, { construction: 'raw:path+expires' });
  assert.equal((await raw(event({ querystring: token({ key: CURRENT }) }))).uri, PATH);
  assertRefused(await raw(event({ querystring: token() })), '403', 'bad-signature');

  const hosted = await instance(t, { construction: 'decoded:host+path+expires' });
  const signed = (host) => token({ message: (path, expires) => host + path + expires });
  assert.equal((await hosted(event({ querystring: signed('packages.example.com') }))).uri, PATH);
  const headers = { host: [{ key: 'Host', value: 'Packages.Example.com:443' }] };
  assert.equal((await hosted(event({ querystring: signed('packages.example.com'), headers }))).uri, PATH);
  assert.equal((await hosted(event({ querystring: signed('d111111abcdef8.cloudfront.net'), headers: {} }))).uri, PATH);
  assertRefused(await hosted(event({ querystring: signed('') })), '403', 'bad-signature');
});

test('KMS is asked once an instance, whatever comes at once', async (t) => {
  const asked = await kms(t);
  const handler = await instance(t);
  const answers = await Promise.all(Array.from({ length: 20 }, () => handler(event({ querystring: token() }))));
  assert.ok(answers.every(({ uri }) => uri === PATH));
  await handler(event());
  await until(() => asked.length >= 2);
  await heard();
  const ciphertexts = asked.map(({ body }) => body.CiphertextBlob).filter((ciphertext) => ciphertext !== '');
  assert.deepEqual([ciphertexts.length, new Set(ciphertexts).size], [2, 2], 'each ciphertext once');
  const [{ method, url, headers, body }] = asked;
  assert.deepEqual([method, url, headers['x-amz-target']], ['POST', '/', 'TrentService.Decrypt']);
  assert.deepEqual(body.EncryptionContext, CONTEXT);
  assert.equal(body.KeyId, ARN);
  assert.equal(headers['x-amz-security-token'], 'a-session');
  assert.match(
    headers.authorization,
    /^AWS4-HMAC-SHA256 Credential=ASIAIOSFODNN7EXAMPLE\/\d{8}\/us-east-1\/kms\/aws4_request, SignedHeaders=content-type;host;x-amz-date;x-amz-security-token;x-amz-target, Signature=[0-9a-f]{64}$/,
  );
});

for (const [name, failure, attempts] of [
  ['denied', refuse('AccessDeniedException'), 1],
  ['a ciphertext of another key', refuse('IncorrectKeyException'), 1],
  ['a disabled key', refuse('DisabledException'), 1],
  ['throttled', refuse('ThrottlingException'), 2],
  ['an error of its own', refuse('KMSInternalException', 500), 2],
  ['broken', broken, 2],
  ['nonsense', nonsense, 2],
  ['an answer that broke off with the secret in it', damaged, 2],
  ['an answer that a parser would quote', quoting, 2],
  ['an error that is named by what was answered', naming, 2],
  ['a plaintext that is no text', wordless, 2],
]) {
  test(`KMS ${name}: closed, nothing remembered, the next request tries again`, async (t) => {
    const asked = await kms(t, Array.from({ length: attempts }, () => failure));
    const handler = await instance(t, { secrets: [CURRENT] });
    const said = [];
    t.mock.method(console, 'error', (...words) => said.push(words.join(' ')));
    const querystring = token();
    assertRefused(await handler(event({ querystring })), '503', 'unavailable');
    assert.equal(asked.length, attempts);
    assert.equal(said.length, 1);
    const sealed = Buffer.from(CURRENT).toString('base64');
    for (const word of [querystring, CURRENT, CURRENT.slice(0, 8), sealed.slice(-12), 'quotes']) {
      assert.ok(!said[0].includes(word), said[0]);
    }
    assert.equal((await handler(event({ querystring }))).uri, PATH);
  });
}

test('KMS is asked while the module loads, before any request', async (t) => {
  const asked = await kms(t);
  const handler = await instance(t);
  await until(() => asked.length === 2);
  assert.equal((await handler(event({ querystring: token() }))).uri, PATH);
  assert.equal(asked.length, 2);
});

test('a failure while the module loads is not remembered either', async (t) => {
  const asked = await kms(t, [refuse('AccessDeniedException')]);
  const handler = await instance(t, { secrets: [CURRENT] });
  await until(() => asked.length === 1);
  await heard();
  assert.equal((await handler(event({ querystring: token() }))).uri, PATH);
});

for (const [name, slow] of [
  ['silent', silent],
  ['stalling', stalling],
  ['dripping', dripping],
]) {
  test(`KMS ${name}: asked once more, closed within Lambda’s five seconds, and the next request tries again`, async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout', 'Date'], now: Date.now() });
    const asked = await kms(t, [slow, slow]);
    const handler = await instance(t, { secrets: [CURRENT] });
    t.mock.method(console, 'error', () => {});
    const querystring = token();
    const answer = handler(event({ querystring }));
    await until(() => asked.length === 1);
    t.mock.timers.tick(2500);
    await until(() => asked.length === 2);
    t.mock.timers.tick(2000);
    assertRefused(await answer, '503', 'unavailable');
    t.mock.timers.tick(2500);
    assert.equal((await handler(event({ querystring }))).uri, PATH);
    assert.equal(asked.length, 3);
  });
}

test('a region as far away as there is has its time, and whatever answers first counts', async (t) => {
  for (const first of [0, 1]) {
    t.mock.timers.reset();
    t.mock.timers.enable({ apis: ['setTimeout', 'Date'], now: Date.now() });
    const held = [late(), late()];
    const asked = await kms(t, [...held]);
    const handler = await instance(t, { secrets: [CURRENT] });
    const answer = handler(event({ querystring: token() }));
    await until(() => asked.length === 1);
    t.mock.timers.tick(2500);
    await until(() => asked.length === 2);
    t.mock.timers.tick(1500);
    held[first].answer();
    assert.equal((await answer).uri, PATH, 'after four seconds');
  }
});

test('a good answer that comes too late for its request is the next one’s', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout', 'Date'], now: Date.now() });
  const held = [late(), late()];
  const asked = await kms(t, [...held, refuse('AccessDeniedException'), refuse('AccessDeniedException')]);
  const handler = await instance(t, { secrets: [CURRENT] });
  t.mock.method(console, 'error', () => {});
  const querystring = token();
  const answer = handler(event({ querystring }));
  await until(() => asked.length === 1);
  t.mock.timers.tick(2500);
  await until(() => asked.length === 2);
  t.mock.timers.tick(2000);
  assertRefused(await answer, '503', 'unavailable');
  held[0].answer();
  assert.equal((await handler(event({ querystring }))).uri, PATH);
});

test('a refusal of an attempt from before is not this request’s', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout', 'Date'], now: Date.now() });
  const held = [late(), late(), late()];
  const asked = await kms(t, [...held]);
  const handler = await instance(t, { secrets: [CURRENT] });
  t.mock.method(console, 'error', () => {});
  const querystring = token();
  const first = handler(event({ querystring }));
  await until(() => asked.length === 1);
  t.mock.timers.tick(2500);
  await until(() => asked.length === 2);
  t.mock.timers.tick(2000);
  assertRefused(await first, '503', 'unavailable');
  t.mock.timers.tick(2500);
  const second = handler(event({ querystring }));
  await until(() => asked.length === 3);
  refuse('AccessDeniedException')(held[0].response);
  await heard();
  held[2].answer();
  assert.equal((await second).uri, PATH);
});

test('of two ciphertexts the one that was opened is not asked for again', async (t) => {
  const [current, previous] = [late(), late()];
  const asked = await kms(t, [current, previous]);
  const handler = await instance(t);
  const answer = handler(event({ querystring: token({ secret: PREVIOUS }) }));
  await until(() => asked.length === 2);
  current.answer();
  await heard();
  refuse('ThrottlingException')(previous.response);
  assert.equal((await answer).uri, PATH);
  const ciphertexts = asked.map(({ body }) => body.CiphertextBlob).filter((ciphertext) => ciphertext !== '');
  assert.deepEqual(ciphertexts, [ciphertexts[0], ciphertexts[1], ciphertexts[1]]);
});

for (const [name, failure] of [
  ['refused', refuse('IncorrectKeyException')],
  ['throttled', refuse('ThrottlingException')],
  ['not answered', silent],
]) {
  test(`a secret whose decryption is ${name} closes the edge for its own links alone, and until it is opened`, async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout', 'Date'], now: Date.now() });
    const failing = { earlier: failure };
    const asked = await kms(t, [], failing);
    const sealed = (mark, secret) => ({ arn: ARN, ciphertext: Buffer.from(`${mark}:${secret}`).toString('base64'), context: CONTEXT });
    const keys = [sealed('earlier', PREVIOUS), sealed('sealed', CURRENT)];
    const handler = await instance(t, { keys: JSON.stringify({ construction: 'decoded:path+expires', keys }) });
    t.mock.method(console, 'error', () => {});
    assert.equal((await handler(event({ querystring: token() }))).uri, PATH);
    assertRefused(await handler(event()), '403', 'missing-token');
    assertRefused(await handler(event({ querystring: token({ lasts: -1 }) })), '403', 'expired');
    const before = asked.length;
    assert.equal((await handler(event({ querystring: token() }))).uri, PATH);
    assert.equal(asked.length, before, 'nothing is asked for a link that needs nothing more');

    for (const querystring of [token({ secret: PREVIOUS }), token({ path: '/7/8/other.deb' })]) {
      const answer = handler(event({ querystring }));
      for (const wait of failure === silent ? [2500, 2500] : []) {
        await heard();
        t.mock.timers.tick(wait);
      }
      assertRefused(await answer, '503', 'unavailable');
    }
    failing.earlier = undefined;
    assert.equal((await handler(event({ querystring: token({ secret: PREVIOUS }) }))).uri, PATH);
    assertRefused(await handler(event({ querystring: token({ path: '/7/8/other.deb' }) })), '403', 'bad-signature');
  });
}

test('one retry is enough for one bad moment', async (t) => {
  const asked = await kms(t, [broken]);
  const handler = await instance(t, { secrets: [CURRENT] });
  assert.equal((await handler(event({ querystring: token() }))).uri, PATH);
  assert.equal(asked.length, 2);
});

test('KMS unreachable, or a bundle that is none: closed', async (t) => {
  t.mock.method(console, 'error', () => {});
  process.env.AWS_ENDPOINT_URL_KMS = 'http://127.0.0.1:9';
  assertRefused(await (await instance(t))(event({ querystring: token() })), '503', 'unavailable');
  await kms(t);
  for (const keys of ['', '{}', '{"construction":"decoded:path+expires"}']) {
    assertRefused(await (await instance(t, { keys }))(event({ querystring: token() })), '503', 'unavailable');
  }
  for (const how of [{ construction: 'decoded:everything' }, { secrets: ['not base64!'] }]) {
    assertRefused(await (await instance(t, how))(event({ querystring: token() })), '503', 'unavailable');
  }
  const handler = await instance(t);
  for (const strange of [{}, { Records: [] }, null, event({ uri: undefined, querystring: token() })]) {
    const answer = await handler(strange);
    assert.ok(['403', '503'].includes(answer.status), JSON.stringify(strange));
  }
});

test('with no key long enough all is refused', async (t) => {
  await kms(t);
  const short = Buffer.from('0123456789abcde').toString('base64');
  const handler = await instance(t, { secrets: [short] });
  assertRefused(await handler(event({ querystring: token({ secret: short }) })), '403', 'bad-signature');
});
