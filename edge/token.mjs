// The signed URL, judged: a pure function of the request, the keys and the clock, with nothing imported but node:crypto.
//
// It upholds: the path is decoded once, the reasons come in one order, and a signature is compared in constant time.
// src/model/token is the same in Rust; assets/signed-url-vectors.json holds both to the same answers.

import { createHmac, createSecretKey } from 'node:crypto';

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

/** A path that is its own decoded form and its own canonical encoding: nearly all of them, so it comes first. */
const PLAIN_PATH = /^(?:\/[\w~-][\w.~-]*)+$/;
/** Of a decoded path with its leading slash: a control byte, `//`, a dot segment, the empty key. */
const BAD_PATH = /[\0-\x1f\x7f]|\/(?:\/|\.\.?(?:\/|$))|^\/$/;
/** With one of two lengths, which are cheaper to ask than to match. */
const TOKEN = /^t=\d{10}_[\da-fA-F]+$/;
const hasTokenShape = (text) => (text.length === MAC_AT + 40 || text.length === MAC_AT + 64) && TOKEN.test(text);

const MIN_KEY_BYTES = 16;
/** Where the mac starts in `t=<10 digits>_<mac>`. */
const MAC_AT = 13;

// One request is judged at a time, without an await in between: the token's mac is unpacked in place.
const macOf = { 40: new Uint8Array(20), 64: new Uint8Array(32) };

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
  if (!PLAIN_PATH.test(uri)) {
    try {
      path = decodeURIComponent(uri);
      canonical = encoded(path);
    } catch {
      return refused('bad-path');
    }
    if (uri[0] !== '/' || BAD_PATH.test(path)) return refused('bad-path');
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
  const mac = macOf[digits];
  for (let i = 0, at = MAC_AT; i < mac.length; i += 1, at += 2) {
    mac[i] = (nibble(token.charCodeAt(at)) << 4) | nibble(token.charCodeAt(at + 1));
  }
  for (const key of keys) {
    if (key.length < MIN_KEY_BYTES) continue;
    if (same(createHmac(algorithm, secretKey(key)).update(message).digest('latin1'), mac)) return true;
  }
  return false;
}

/**
 * Constant time: every byte is looked at, whichever differs. A character is a byte here; asking for a string saves the
 * Buffer that `digest()` and `timingSafeEqual` would want, which costs as much as the HMAC.
 */
function same(digest, mac) {
  let different = digest.length ^ mac.length;
  for (let i = 0; i < mac.length; i += 1) different |= digest.charCodeAt(i) ^ mac[i];
  return different === 0;
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

/** What encodeURI leaves alone, but for the slash; and the escape of each. */
const MARKS = /[;,?:@&=+$#!'()*]/g;
const ESCAPES = new Map([...";,?:@&=+$#!'()*"].map((mark) => [mark, `%${mark.charCodeAt(0).toString(16).toUpperCase()}`]));

/** Every byte but `A-Z a-z 0-9 - . _ ~ /` as `%XX`; throws where the text has no UTF-8 form. */
function encoded(path) {
  const most = encodeURI(path);
  let uri = '';
  let from = 0;
  // By hand: `replace` with a function takes twice as long, and a package's name often has a plus.
  for (let found; (found = MARKS.exec(most)) !== null; from = MARKS.lastIndex) {
    uri += most.slice(from, found.index) + ESCAPES.get(found[0]);
  }
  return uri + most.slice(from);
}
