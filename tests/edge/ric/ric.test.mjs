// The bundle in AWS's own runtime client, on the events that AWS's SAM makes and its documentation shows.
//
// RIC is aws-lambda-ric's index.mjs, SAM_EVENTS the folder of aws-sam-cli that holds its events: tests/run installs both. The
// Node.js that runs this runs the client. documented.json holds the examples of CloudFront's Developer Guide, "Lambda@Edge
// event structure", and its viewer request once more with the body that a POST brings.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';

for (const name of ['RIC', 'SAM_EVENTS']) assert.ok(process.env[name], `${name} is not set: tests/run installs what it names`);

const SECRET = Buffer.from('0123456789abcdef0123456789abcdef');
const ARN = 'arn:aws:kms:us-east-1:111122223333:key/0a1b2c3d';
const here = (name) => fileURLToPath(new URL(name, import.meta.url));

/** SAM's events, as `sam local generate-event cloudfront` prints them without options. */
function samEvents() {
  const read = (name) => readFileSync(join(process.env.SAM_EVENTS, name), 'utf8');
  return Object.entries(JSON.parse(read('event-mapping.json')).cloudfront).map(([name, { filename, tags }]) => {
    const text = read(`events/cloudfront/${filename}.json`).replace(/\{\{\{(\w+)\}\}\}/g, (_, tag) => tags[tag].default);
    return [`SAM's ${name}`, JSON.parse(text)];
  });
}

/** The unpacked bundle of a function version, whose one key is `sealed` as the KMS below opens it. */
function unpackBundle() {
  const dir = mkdtempSync(join(tmpdir(), 'task-'));
  for (const file of ['index.mjs', 'secrets.mjs', 'token.mjs']) copyFileSync(here(`../../../edge/${file}`), join(dir, file));
  const context = { 'packagecloud:enterprise': 'packages' };
  const keys = [{ arn: ARN, ciphertext: Buffer.from('sealed').toString('base64'), context }];
  writeFileSync(join(dir, 'keys.json'), JSON.stringify({ construction: 'decoded:path+expires', keys }));
  return dir;
}

/** Lambda's Runtime API and KMS at one address: hands the events out one by one, and keeps what is answered. */
async function startRuntimeApi(events) {
  const answers = [];
  const state = { initError: undefined };
  const waiting = Promise.withResolvers();
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (piece) => (body += piece));
    request.on('end', () => {
      const [, id, kind] = /\/runtime\/invocation\/(\d+)\/(response|error)$/.exec(request.url) ?? [];
      if (request.headers['x-amz-target'] === 'TrentService.Decrypt') {
        const plaintext = Buffer.from(SECRET.toString('base64')).toString('base64');
        response.end(JSON.stringify({ KeyId: ARN, Plaintext: plaintext }));
      } else if (request.url.endsWith('/runtime/invocation/next')) {
        const next = answers.length;
        if (next === events.length) return waiting.resolve();
        response.setHeader('lambda-runtime-aws-request-id', String(next));
        response.setHeader('lambda-runtime-deadline-ms', String(Date.now() + 5000));
        response.setHeader('lambda-runtime-invoked-function-arn', 'arn:aws:lambda:us-east-1:111122223333:function:authenticator:1');
        response.setHeader('lambda-runtime-trace-id', 'Root=1-5e1b4151-43a0913a12345678912345678');
        response.end(JSON.stringify(events[next]));
      } else {
        if (!id) state.initError = body;
        answers[id ?? 0] = { kind, answer: JSON.parse(body) };
        response.statusCode = 202;
        response.end('{"status":"OK"}');
      }
    });
  });
  await new Promise((listening) => server.listen(0, '127.0.0.1', listening));
  return { address: `127.0.0.1:${server.address().port}`, answers, state, asksForMore: waiting.promise, server };
}

/** What the client answered to each event, from one instance. */
async function invokeEach(t, events) {
  const api = await startRuntimeApi(events);
  const task = unpackBundle();
  const child = spawn(process.execPath, ['--require', here('compiled.cjs'), process.env.RIC], {
    env: {
      PATH: process.env.PATH,
      AWS_LAMBDA_RUNTIME_API: api.address,
      AWS_LAMBDA_FUNCTION_NAME: 'us-east-1.authenticator',
      AWS_LAMBDA_FUNCTION_VERSION: '1',
      AWS_LAMBDA_FUNCTION_MEMORY_SIZE: '128',
      AWS_LAMBDA_LOG_GROUP_NAME: '/aws/lambda/us-east-1.authenticator',
      AWS_LAMBDA_LOG_STREAM_NAME: 'stream',
      AWS_REGION: 'eu-west-1',
      AWS_ACCESS_KEY_ID: 'ASIAIOSFODNN7EXAMPLE',
      AWS_SECRET_ACCESS_KEY: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
      AWS_SESSION_TOKEN: 'a-session',
      // What an edge function can't have: here nobody else answers for KMS.
      AWS_ENDPOINT_URL_KMS: `http://${api.address}`,
      LAMBDA_TASK_ROOT: task,
      _HANDLER: 'index.handler',
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (piece) => (said += piece));
  t.after(() => {
    child.kill('SIGKILL');
    api.server.closeAllConnections();
    api.server.close();
    rmSync(task, { recursive: true });
  });
  const ended = new Promise((_, reject) => child.on('exit', (code) => reject(new Error(`it ended (${code}): ${said}`))));
  await Promise.race([api.asksForMore, ended]);
  assert.equal(api.state.initError, undefined);
  return { answers: api.answers, said };
}

function signFor(uri) {
  const expires = String(Math.floor(Date.now() / 1000) + 300);
  return `t=${expires}_${createHmac('sha1', SECRET).update(decodeURIComponent(uri) + expires).digest('hex')}`;
}

/** The event with a link that packagecloud would have given for its path; the root is no package's. */
function signEvent(event) {
  const signed = structuredClone(event);
  const { request } = signed.Records[0].cf;
  if (request.uri === '/') request.uri = '/7/8/debian/package_files/a%2bb%C3%A9.deb';
  Object.assign(request, { method: 'GET', querystring: signFor(request.uri) });
  return signed;
}

/** What stands in the way of CloudFront taking this answer for a response of its own making. */
function assertResponse(name, { kind, answer }, status) {
  assert.equal(kind, 'response', name);
  assert.equal(answer.status, status, `${name}: ${JSON.stringify(answer)}`);
  assert.equal(typeof answer.statusDescription, 'string', name);
  for (const [key, values] of Object.entries(answer.headers)) {
    assert.equal(key, key.toLowerCase(), name);
    assert.ok(values.length === 1 && values[0].key.toLowerCase() === key && values[0].value, `${name}: ${key}`);
  }
  assert.equal(answer.headers['cache-control'][0].value, 'no-store', name);
}

const documented = Object.entries(JSON.parse(readFileSync(here('documented.json'), 'utf8')));
const events = [...documented, ...samEvents()];
const requests = events.filter(([, event]) => event.Records[0].cf.request);

test('there are events to judge by', () => {
  assert.ok(events.length >= 14 && requests.length >= 13, String(events.map(([name]) => name)));
});

test('as they come, none gets through, and none is an error of the runtime', async (t) => {
  const { answers, said } = await invokeEach(t, events.map(([, event]) => event));
  events.forEach(([name, event], at) => {
    const { request } = event.Records[0].cf;
    assertResponse(name, answers[at], !request ? '503' : request.method === 'GET' ? '403' : '405');
  });
  assert.ok(!said.includes(SECRET.toString('base64')), said);
});

test('with a link they go on, all else as it came', async (t) => {
  const signed = requests.map(([, event]) => signEvent(event));
  const { answers } = await invokeEach(t, signed);
  requests.forEach(([name], at) => {
    const { request } = signed[at].Records[0].cf;
    const uri = request.uri.replace(/%[0-9a-f]{2}/g, (escape) => escape.toUpperCase()).replaceAll(':', '%3A');
    assert.deepEqual(answers[at], { kind: 'response', answer: { ...request, uri, querystring: '' } }, name);
  });
});

test('with a link for another path, or damaged in any digit, none goes on', async (t) => {
  const forged = requests.flatMap(([, event]) => {
    const other = signEvent(event);
    other.Records[0].cf.request.uri += '.other';
    const damaged = signEvent(event);
    const { request } = damaged.Records[0].cf;
    request.querystring = request.querystring.replace(/.$/, (digit) => (digit === '0' ? '1' : '0'));
    return [other, damaged];
  });
  const { answers } = await invokeEach(t, forged);
  forged.forEach((event, at) => assertResponse(JSON.stringify(event), answers[at], '403'));
});

test('what is no event of CloudFront’s is refused by the function, not by the runtime', async (t) => {
  const strange = [{}, [], null, 'text', 7, { Records: [] }, { Records: [{ cf: {} }] }, { Records: [{ cf: { request: {} } }] }];
  const { answers } = await invokeEach(t, strange);
  strange.forEach((event, at) => {
    const { status } = answers[at].answer;
    assert.ok(status === '503' || status === '405' || status === '403', JSON.stringify([event, answers[at]]));
    assertResponse(JSON.stringify(event), answers[at], status);
  });
});
