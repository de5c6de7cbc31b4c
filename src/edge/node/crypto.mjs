// node:crypto, as far as the function uses it; the hashing itself is native.
const { digest } = globalThis.edge;

/** Native code takes texts and plain arrays. */
const plain = (piece) => (typeof piece === 'string' ? piece : Array.from(piece));

class Hashing {
  #algorithm;
  #key;
  #pieces = [];

  constructor(algorithm, key) {
    this.#algorithm = algorithm;
    this.#key = key;
  }

  update(piece) {
    this.#pieces.push(plain(piece));
    return this;
  }

  digest(encoding) {
    const bytes = digest(this.#algorithm, this.#key, this.#pieces);
    if (encoding === undefined) return bytes;
    if (encoding === 'hex') return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
    if (encoding === 'latin1') return String.fromCharCode(...bytes);
    throw new TypeError(`this engine has no encoding ${encoding}`);
  }
}

export const createHash = (algorithm) => new Hashing(algorithm);
export const createHmac = (algorithm, key) => new Hashing(algorithm, plain(key));
export const createSecretKey = (bytes) => plain(bytes);
export const timingSafeEqual = (one, other) => {
  if (one.length !== other.length) throw new RangeError('Input buffers must have the same byte length');
  return one.reduce((different, byte, at) => different | (byte ^ other[at]), 0) === 0;
};
