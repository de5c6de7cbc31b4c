// The keys of this instance: keys.json's ciphertexts, decrypted by KMS once and then remembered.
//
// It upholds: a failure is never remembered and a good answer always, however late it comes; a key that can't be opened keeps
// nobody waiting who needs another one; nothing of a secret and nothing that KMS answered is ever logged; and KMS is asked in
// the region of the key's ARN, since the function runs in every region and the key lives in one.

import { createHash, createHmac } from 'node:crypto';
import { readFileSync } from 'node:fs';
// Loading TLS is most of the work, so it is done with the module: Lambda has a whole processor for that, and a fourteenth of one
// for a request.
import { request as requestOverTls } from 'node:https';

/** How long a request waits: Lambda ends it after five seconds, and the answer takes time at a fourteenth of a processor. */
const PATIENCE_MS = 4300;
/** A region far from the key's takes 1 to 2 s at first: after this KMS is asked beside it once more, and who answers first counts. */
const LATE_MS = 2200;
/** How often one request has KMS asked. */
const ATTEMPTS = 2;
/** An instance stands still between requests, and what it waited for may be lost by then: so long may an attempt last. */
const ATTEMPT_MS = 15_000;
/** Characters; a plaintext has 44 and an ARN some 80. */
const ANSWER_MAX = 65_536;

/** All of them, once each is opened. */
let remembered;
/** The keys that are opened by now, where some are. */
let usable;
/** Keys by ciphertext: one that was opened is not asked for again, even where another one wasn't. */
const opened = new Map();
/** Who is told of each that is opened. */
const waiting = new Set();
/** What is under way: KMS asked for all that isn't opened. */
const attempts = new Set();

/**
 * The construction and its keys, of keys.json beside this file:
 * `{ "construction": "decoded:path+expires", "keys": [{ "arn": "arn:aws:kms:…", "ciphertext": "<base64>",
 * "context": { "packagecloud:enterprise": "<bucket>" } }] }`, where the plaintext is `cloudfront_secret` as written.
 *
 * The first key is the current one; the others are of earlier secrets, whose links are still accepted.
 *
 * @param {(found: { construction: string, keys: Uint8Array[] }) => boolean} suffices whether the keys that are opened by
 *   now are enough; where they are, no other is waited for, and they are what is returned.
 * @returns {Promise<{ construction: string, keys: Uint8Array[], current?: Uint8Array }>} all of the keys, else those that
 *   suffice, and which of them is the current one, where that is opened; fails where neither is to be had in time.
 */
export async function secrets(suffices) {
  if (remembered) return remembered;
  return usable && suffices(usable) ? usable : firstAnswer(suffices);
}

/** The first good answer of an attempt that is under way or is begun here; fails where there is none in time. */
function firstAnswer(suffices) {
  return new Promise((resolve, reject) => {
    const heard = new Set();
    const look = () => {
      try {
        if (suffices(usable)) settle(resolve, usable);
      } catch (failure) {
        // Of this request alone: whoever opened the key goes on.
        settle(reject, failure);
      }
    };
    waiting.add(look);
    let left = ATTEMPTS;
    let late;
    const overdue = setTimeout(() => settle(reject, new Error('KMS Decrypt: no answer in time')), PATIENCE_MS);
    const settle = (end, value) => {
      left = 0;
      waiting.delete(look);
      clearTimeout(late);
      clearTimeout(overdue);
      end(value);
    };
    const hear = (attempt) => {
      heard.add(attempt);
      attempt.end.then(
        (found) => settle(resolve, found),
        (failure) => {
          heard.delete(attempt);
          if (failure.passing && left > 0) another();
          else if (!failure.passing || heard.size === 0) settle(reject, failure);
        },
      );
    };
    const another = () => {
      left -= 1;
      const fresh = [...attempts].find((attempt) => !heard.has(attempt) && Date.now() - attempt.since < LATE_MS);
      const next = fresh ?? begin();
      hear(next);
      clearTimeout(late);
      if (left > 0) late = setTimeout(another, next.since + LATE_MS - Date.now());
    };
    // What began long before may have been lost while the instance stood still, and may be good all the same: only then it counts.
    for (const attempt of attempts) {
      if (Date.now() - attempt.since >= LATE_MS) attempt.end.then((found) => settle(resolve, found), () => {});
    }
    another();
  });
}

function begin() {
  const attempt = { since: Date.now() };
  attempts.add(attempt);
  attempt.end = unlocked()
    .then((found) => (remembered ??= found))
    .finally(() => attempts.delete(attempt));
  // Whoever waits for it hears of its failure; at first nobody does.
  attempt.end.catch(() => {});
  return attempt;
}

async function unlocked() {
  const { construction, keys } = JSON.parse(readFileSync(`${import.meta.dirname}/keys.json`, 'utf8'));
  const raw = construction.startsWith('raw:');
  const found = () => ({
    construction,
    keys: keys.filter(({ ciphertext }) => opened.has(ciphertext)).map(({ ciphertext }) => opened.get(ciphertext)),
    current: opened.get(keys[0]?.ciphertext),
  });
  const ends = await Promise.allSettled(
    keys.map(async (sealed) => {
      if (opened.has(sealed.ciphertext)) return;
      const secret = await decrypted(sealed);
      opened.set(sealed.ciphertext, raw ? secret : base64ToBytes(asciiOf(secret)));
      usable = found();
      for (const tell of [...waiting]) tell();
    }),
  );
  // One that may be opened in a moment is worth another attempt, whatever the others are.
  const failures = ends.filter(({ status }) => status === 'rejected').map(({ reason }) => reason);
  if (failures.length > 0) throw failures.find(({ passing }) => passing) ?? failures[0];
  return found();
}

async function decrypted({ arn, ciphertext, context }) {
  const body = JSON.stringify({ CiphertextBlob: ciphertext, EncryptionContext: context, KeyId: arn });
  return plaintextOf(await answer(signed(arn, body), body));
}

function plaintextOf({ status, text }) {
  if (status === 200) {
    try {
      return base64ToBytes(JSON.parse(text).Plaintext);
    } catch {
      // The parser's own message quotes what it read, and this holds the secret.
      throw passing('an answer without a plaintext');
    }
  }
  // What KMS refuses it refuses again; what it can't do now it may do in a moment.
  const why = `${status} ${refusalName(text)}`;
  throw status >= 500 || /Throttling|LimitExceeded/.test(why) ? passing(why) : new Error(`KMS Decrypt: ${why}`);
}

function passing(why) {
  return Object.assign(new Error(`KMS Decrypt: ${why}`), { passing: true });
}

/** With what KMS refuses a Decrypt, by its API reference and the errors that are common to AWS's services. */
const REFUSALS = [
  'AccessDeniedException',
  'DependencyTimeoutException',
  'DisabledException',
  'ExpiredTokenException',
  'IncompleteSignature',
  'IncorrectKeyException',
  'InternalFailure',
  'InvalidCiphertextException',
  'InvalidGrantTokenException',
  'InvalidKeyUsageException',
  'InvalidSignatureException',
  'KMSInternalException',
  'KMSInvalidStateException',
  'KeyUnavailableException',
  'LimitExceededException',
  'NotFoundException',
  'ServiceUnavailable',
  'ThrottlingException',
  'UnrecognizedClientException',
  'ValidationException',
];

/** The name of the error, where it is one of these: whatever else was answered may quote anything. */
function refusalName(text) {
  const [, named] = /"__type"\s*:\s*"(?:[^"#]*#)?(\w+)"/.exec(text) ?? [];
  return REFUSALS.find((name) => name === named) ?? 'for a reason that it does not name';
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

/** What KMS answered; a connection that failed is one that may do better the next time. */
async function answer(call, body) {
  try {
    return await exchanged(call, body);
  } catch (error) {
    // A code of Node's own, or a text of this file: any other message may quote what came.
    throw passing(/^[A-Z\d_]+$/.test(error.code) ? error.code : (error.own ?? 'the connection failed'));
  }
}

async function exchanged(call, body) {
  // An emulator's address may need no TLS.
  const request = call.protocol === 'https:' ? requestOverTls : (await import('node:http')).request;
  const until = Date.now() + ATTEMPT_MS;
  return new Promise((resolve, reject) => {
    const end = (own) => asked.destroy(Object.assign(new Error(own), { own }));
    const asked = request(call, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (piece) => {
        text += piece;
        // `timeout` is about silence: an answer that drips must end, too.
        if (Date.now() > until || text.length > ANSWER_MAX) end('too long an answer');
      });
      response.on('end', () => resolve({ status: response.statusCode, text }));
      response.on('error', reject);
    });
    asked.on('timeout', () => end('no answer'));
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

// While the module loads, so that the first request finds the way to KMS half gone.
begin();
