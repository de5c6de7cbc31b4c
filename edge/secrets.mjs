// The keys of this instance: keys.json's ciphertexts, decrypted by KMS once and then remembered.
//
// It upholds: a failure is never remembered, nothing of a secret is ever logged, and KMS is asked in the region of the
// key's ARN, since the function runs in every region and the key lives in one.

import { createHash, createHmac } from 'node:crypto';
import { readFileSync } from 'node:fs';

/** A viewer waits, and Lambda gives five seconds in all: two attempts must fit, with room for the answer. */
const ATTEMPTS = 2;
const ATTEMPT_MS = 1500;

let remembered;

/**
 * The construction and its keys, of keys.json beside this file:
 * `{ "construction": "decoded:path+expires", "keys": [{ "arn": "arn:aws:kms:…", "ciphertext": "<base64>",
 * "context": { "packagecloud:enterprise": "<bucket>" } }] }`, where the plaintext is `cloudfront_secret` as written.
 *
 * @returns {Promise<{ construction: string, keys: Uint8Array[] }>}
 */
export function secrets() {
  remembered ??= unlocked().catch((failure) => {
    remembered = undefined;
    throw failure;
  });
  return remembered;
}

async function unlocked() {
  const { construction, keys } = JSON.parse(readFileSync(`${import.meta.dirname}/keys.json`, 'utf8'));
  const raw = construction.startsWith('raw:');
  const plain = await Promise.all(keys.map(decrypted));
  return { construction, keys: plain.map((secret) => (raw ? secret : base64ToBytes(asciiOf(secret)))) };
}

async function decrypted({ arn, ciphertext, context }) {
  const body = JSON.stringify({ CiphertextBlob: ciphertext, EncryptionContext: context, KeyId: arn });
  const call = signed(arn, body);
  let failure;
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    try {
      const { status, text } = await answer(call, body);
      if (status === 200) return base64ToBytes(plaintextOf(text));
      failure = new Error(`KMS Decrypt: ${status} ${errorName(text)}`);
      // What KMS refuses it refuses again; what it can't do now it may do in a moment.
      if (status < 500 && !/Throttling|LimitExceeded/.test(failure.message)) break;
    } catch (error) {
      failure = new Error(`KMS Decrypt: ${error.code ?? error.message}`);
    }
  }
  throw failure;
}

/** The parser's own message quotes what it read, and this holds the secret. */
function plaintextOf(text) {
  try {
    return JSON.parse(text).Plaintext;
  } catch {
    throw new Error('an answer that is not JSON');
  }
}

/** Only the error's name: its message may quote what was sent. */
function errorName(text) {
  const [, name] = /"__type"\s*:\s*"(?:[^"#]*#)?(\w+)"/.exec(text) ?? [];
  return name ?? 'without a reason';
}

/** One signed request (Signature Version 4), as options of `request`. */
function signed(arn, body) {
  const [, partition, , region] = arn.split(':');
  const { protocol, hostname, port } = endpoint(partition, region);
  const { AWS_ACCESS_KEY_ID: id, AWS_SECRET_ACCESS_KEY: secret, AWS_SESSION_TOKEN: session } = process.env;
  const time = new Date().toISOString().replace(/[-:]|\.\d+/g, '');
  const day = time.slice(0, 8);

  // In alphabetical order, as they are signed.
  const headers = {
    'content-type': 'application/x-amz-json-1.1',
    host: port ? `${hostname}:${port}` : hostname,
    'x-amz-date': time,
    ...(session && { 'x-amz-security-token': session }),
    'x-amz-target': 'TrentService.Decrypt',
  };
  const names = Object.keys(headers).join(';');
  const lines = Object.entries(headers).map(([name, value]) => `${name}:${value}\n`);
  const canonical = `POST\n/\n\n${lines.join('')}\n${names}\n${sha256(body)}`;
  const scope = `${day}/${region}/kms/aws4_request`;
  const key = [day, region, 'kms', 'aws4_request'].reduce(hmac, `AWS4${secret}`);
  const signature = createHmac('sha256', key)
    .update(`AWS4-HMAC-SHA256\n${time}\n${scope}\n${sha256(canonical)}`)
    .digest('hex');
  headers.authorization = `AWS4-HMAC-SHA256 Credential=${id}/${scope}, SignedHeaders=${names}, Signature=${signature}`;
  headers['content-length'] = body.length; // ASCII only: base64, an ARN, and a bucket's name
  return { protocol, hostname, port, method: 'POST', path: '/', headers, timeout: ATTEMPT_MS, agent: false };
}

/** AWS's, or where the SDKs' own variables point: an edge function can have no variables, an emulator's has. */
function endpoint(partition, region) {
  const elsewhere = process.env.AWS_ENDPOINT_URL_KMS || process.env.AWS_ENDPOINT_URL;
  if (!elsewhere) {
    const suffix = partition === 'aws-cn' ? 'amazonaws.com.cn' : 'amazonaws.com';
    return { protocol: 'https:', hostname: `kms.${region}.${suffix}` };
  }
  const [, protocol, hostname, port] = /^(https?:)\/\/([^/:]+)(?::(\d+))?/.exec(elsewhere) ?? [];
  return { protocol, hostname, port };
}

async function answer(call, body) {
  // Loaded where it is first needed: TLS is most of what this function would load.
  const { request } = await import(call.protocol === 'https:' ? 'node:https' : 'node:http');
  const until = Date.now() + ATTEMPT_MS;
  return new Promise((resolve, reject) => {
    const asked = request(call, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (piece) => {
        text += piece;
        // `timeout` is about silence: an answer that drips must end, too.
        if (Date.now() > until) asked.destroy(new Error('too slow'));
      });
      response.on('end', () => resolve({ status: response.statusCode, text }));
      response.on('error', reject);
    });
    asked.on('timeout', () => asked.destroy(new Error('no answer')));
    asked.on('error', reject);
    asked.end(body);
  });
}

function sha256(text) {
  return createHash('sha256').update(text).digest('hex');
}

function hmac(key, text) {
  return createHmac('sha256', key).update(text).digest();
}

function asciiOf(bytes) {
  return String.fromCharCode(...bytes);
}

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';

/** Strict base64, its padding optional: Buffer's takes anything, and the embedded engine has none. */
function base64ToBytes(text) {
  const digits = text.length % 4 === 0 ? text.replace(/==?$/, '') : text;
  if (digits.length % 4 === 1) throw new Error('not base64');
  const bytes = new Uint8Array(Math.floor((digits.length * 3) / 4));
  let bits = 0;
  for (let i = 0, at = 0; i < digits.length; i += 1) {
    const value = ALPHABET.indexOf(digits[i]);
    if (value < 0) throw new Error('not base64');
    bits = ((bits << 6) | value) & 0xffffff;
    if (i % 4 !== 0) bytes[at++] = bits >> (6 - 2 * (i % 4));
  }
  return bytes;
}
