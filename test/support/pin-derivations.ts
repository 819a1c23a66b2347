/**
 * PBKDF2 with the protocol's 600 000 iterations is a fifth of a second of CPU, and of one PIN with one salt always the
 * same: a device that uses its PIN again in a test file does not compute it again. What is computed is the real thing.
 */
import type { webcrypto } from 'node:crypto';

type Subtle = webcrypto.SubtleCrypto;
type Bytes = ArrayBuffer | NodeJS.ArrayBufferView;

const { subtle } = globalThis.crypto;
const { importKey, deriveBits } = Object.getPrototypeOf(subtle) as Subtle;

const pins = new WeakMap<webcrypto.CryptoKey, string>();
const derived = new Map<string, Promise<ArrayBuffer>>();

async function importPin(...args: Parameters<Subtle['importKey']>): Promise<webcrypto.CryptoKey> {
  const key = await importKey.apply(subtle, args);
  const [, bytes, algorithm] = args;
  if (algorithm === 'PBKDF2') pins.set(key, hex(bytes as Bytes));
  return key;
}

async function deriveOnce(...args: Parameters<Subtle['deriveBits']>): Promise<ArrayBuffer> {
  const [algorithm, key, length] = args;
  const pin = pins.get(key);
  if (pin === undefined) return deriveBits.apply(subtle, args);
  const { hash, salt, iterations } = algorithm as webcrypto.Pbkdf2Params;
  const name = JSON.stringify([pin, hash, hex(salt as Bytes), iterations, length]);
  const known = derived.get(name) ?? deriveBits.apply(subtle, args);
  derived.set(name, known);
  return (await known).slice(0);
}

function hex(bytes: Bytes): string {
  if (bytes instanceof ArrayBuffer) return Buffer.from(bytes).toString('hex');
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex');
}

// the object belongs to the process, which runs the tests of other files after these
beforeAll(() => {
  Object.assign(subtle, { importKey: importPin, deriveBits: deriveOnce });
});
afterAll(() => {
  for (const name of ['importKey', 'deriveBits']) Reflect.deleteProperty(subtle, name);
});
