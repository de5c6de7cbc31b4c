// The signed URL, judged: a pure function of the request, the keys and the clock, with nothing imported but node:crypto.
//
// It upholds: the path is decoded once, the reasons come in one order, and a signature is compared in constant time.
// src/model/url/token is the same in Rust; assets/signed-url-vectors.json holds both to the same answers.

import { createHmac, createSecretKey, timingSafeEqual } from 'node:crypto';

/** What is signed, by the second half of a construction's name. `path` has its leading slash and is decoded. */
const MESSAGES = {
  'path+expires': (path, expires) => path + expires,
  'expires+path': (path, expires) => expires + path,
  'key+expires': (path, expires) => path.slice(1) + expires,
  // Without a host this would be another construction, and exactly one is accepted: it signs nothing.
  'host+path+expires': (path, expires, host) => (host ? host + path + expires : undefined),
};

/** Every construction's name, with how it composes what is signed. */
const CONSTRUCTIONS = new Map(
  ['decoded', 'raw'].flatMap((key) => Object.entries(MESSAGES).map(([name, message]) => [`${key}:${name}`, message])),
);

/** The escape, in upper case, of a byte that has to be one. */
const ESCAPE = '%(?:2[\\dA-C]|3[A-F]|40|5[B-E]|60|7[B-D]|[89A-F][\\dA-F])';
/** A path in canonical encoding, without a segment that starts with a dot: nearly all of them, so it comes first. */
const CANONICAL_PATH = new RegExp(`^(?:/(?:[\\w~-]|${ESCAPE})(?:[\\w.~-]|${ESCAPE})*)+/?$`);
/** Of a decoded path with its leading slash: a control byte, `//`, a dot segment, the empty key. */
const BAD_PATH = /[\0-\x1f\x7f]|\/(?:\/|\.\.?(?:\/|$))|^\/$/;
/** With one of two lengths, which are cheaper to ask than to match. */
const TOKEN = /^t=\d{10}_[\da-fA-F]+$/;
const hasTokenShape = (text) => (text.length === MAC_AT + 40 || text.length === MAC_AT + 64) && TOKEN.test(text);

const MIN_KEY_BYTES = 16;
/** Where the mac starts in `t=<10 digits>_<mac>`. */
const MAC_AT = 13;

// One request is judged at a time, without an await in between: both macs are unpacked in place. By how many digits there are.
const givenOf = { 40: new Uint8Array(20), 64: new Uint8Array(32) };
const rightOf = { 40: new Uint8Array(20), 64: new Uint8Array(32) };

/** A key's prepared form, for as long as its bytes are held by somebody: Node 24 takes five times as long without. */
const prepared = new WeakMap();

/**
 * Judges one request.
 *
 * @param {{ uri: string, querystring: string, method: string, host?: string }} request as CloudFront gives them:
 *   `uri` is the path as it was sent, `querystring` has no `?`; `host` is the packages domain, and only
 *   `host+path+expires` looks at it.
 * @param {Uint8Array[]} keys the HMAC keys, current and previous; one under 16 bytes is ignored. They are what the
 *   construction's first half made of `cloudfront_secret`; their bytes must not change afterwards.
 * @param {number} nowSeconds Unix time.
 * @param {string} construction `<key>:<message>`; one that is unknown throws, as it can only be a mistake of ours.
 * @returns {{ ok: true, uri: string } | { ok: false, reason: string }} `uri` is in canonical encoding.
 */
export function check({ uri, querystring, method, host }, keys, nowSeconds, construction = 'decoded:path+expires') {
  const compose = CONSTRUCTIONS.get(construction);
  if (compose === undefined) throw new RangeError(`unknown construction ${construction}`);

  if (method !== 'GET' && method !== 'HEAD') return refused('bad-method');

  let path = uri;
  let canonical = uri;
  try {
    if (CANONICAL_PATH.test(uri)) {
      if (uri.includes('%')) path = decodeURIComponent(uri);
    } else {
      path = decodeURIComponent(uri);
      if (uri[0] !== '/' || BAD_PATH.test(path)) return refused('bad-path');
      canonical = encoded(path);
    }
  } catch {
    return refused('bad-path');
  }

  if (!querystring) return refused('missing-token');
  if (!hasTokenShape(querystring)) return refused('malformed-token');

  const expires = querystring.slice(2, MAC_AT - 1);
  const message = compose(path, expires, host);
  if (message === undefined || !signedBy(keys, querystring, message)) return refused('bad-signature');

  // Written so that a clock that is no number lets nothing through.
  return nowSeconds <= Number(expires) ? { ok: true, uri: canonical } : refused('expired');
}

function refused(reason) {
  return { ok: false, reason };
}

function signedBy(keys, token, message) {
  const digits = token.length - MAC_AT;
  const algorithm = digits === 40 ? 'sha1' : 'sha256';
  const given = givenOf[digits];
  const right = rightOf[digits];
  for (let i = 0, at = MAC_AT; i < given.length; i += 1, at += 2) {
    given[i] = (nibble(token.charCodeAt(at)) << 4) | nibble(token.charCodeAt(at + 1));
  }
  for (const key of keys) {
    if (key.length < MIN_KEY_BYTES) continue;
    // A character a byte: a string saves the Buffer that `digest()` makes, which costs a quarter of the HMAC.
    const mac = createHmac(algorithm, secretKey(key)).update(message).digest('latin1');
    for (let i = 0; i < right.length; i += 1) right[i] = mac.charCodeAt(i);
    if (timingSafeEqual(right, given)) return true;
  }
  return false;
}

/** `0`-`9`, `a`-`f` and `A`-`F` are all that TOKEN lets through: the low half, plus nine for a letter. */
function nibble(code) {
  return (code & 15) + (code >> 6) * 9;
}

function secretKey(bytes) {
  let key = prepared.get(bytes);
  if (key === undefined) prepared.set(bytes, (key = createSecretKey(bytes)));
  return key;
}

/** What encodeURIComponent leaves alone, and the canonical encoding doesn't. */
const MARKS = /[!'()*]/g;

/** Every byte but `A-Z a-z 0-9 - . _ ~ /` as `%XX`; throws where the text has no UTF-8 form. */
function encoded(path) {
  const escaped = (mark) => `%${mark.charCodeAt(0).toString(16).toUpperCase()}`;
  return encodeURIComponent(path).replaceAll('%2F', '/').replace(MARKS, escaped);
}
