/**
 * A signer that is really elsewhere: a thread of its own that makes its keys, keeps them, and speaks the transit API of
 * HashiCorp Vault over a socket. What a test has of them is what any caller gets.
 */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';

/** `away`: it answers 503, as a sealed Vault does. `wrong`: signatures of something else. */
export type VaultMode = 'well' | 'away' | 'wrong' | 'silent';

export interface Vault extends AsyncDisposable {
  address: string;
  token: string;
  mode(mode: VaultMode): Promise<void>;
  /** A new version of the key. */
  rotate(): Promise<void>;
  /** Signatures that it gave. */
  signed(): Promise<number>;
}

const program = `
const { createServer } = require('node:http');
const { generateKeyPairSync, sign } = require('node:crypto');
const { parentPort } = require('node:worker_threads');
const token = 'vault-token';
const versions = [];
let mode = 'well';
let signed = 0;
const rotate = () => versions.push(generateKeyPairSync('ec', { namedCurve: 'P-256' }));
rotate();
function answer({ method, url, headers }, body) {
  if (headers['x-vault-token'] !== token) return [403, { errors: ['permission denied'] }];
  if (mode === 'away') return [503, { errors: ['Vault is sealed'] }];
  if (method === 'GET' && url === '/v1/transit/keys/assent') {
    const entries = versions.map(({ publicKey }, i) => [i + 1, { public_key: publicKey.export({ type: 'spki', format: 'pem' }) }]);
    return [200, { data: { latest_version: versions.length, keys: Object.fromEntries(entries) } }];
  }
  if (method === 'POST' && url === '/v1/transit/sign/assent/sha2-256') {
    const { input, key_version: version, marshaling_algorithm: form } = JSON.parse(body);
    const data = mode === 'wrong' ? Buffer.from('another') : Buffer.from(input, 'base64');
    const key = { key: versions[version - 1].privateKey, dsaEncoding: form === 'jws' ? 'ieee-p1363' : 'der' };
    signed++;
    return [200, { data: { signature: 'vault:v' + version + ':' + sign('sha256', data, key).toString(form === 'jws' ? 'base64url' : 'base64') } }];
  }
  return [404, { errors: [] }];
}
const server = createServer(async (req, res) => {
  let body = '';
  for await (const chunk of req) body += chunk;
  if (mode === 'silent') return;
  const [status, json] = answer(req, body);
  res.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(json));
}).listen(0, '127.0.0.1', () => parentPort.postMessage({ port: server.address().port }));
parentPort.on('message', ({ command, value }) => {
  if (command === 'mode') mode = value;
  if (command === 'rotate') rotate();
  parentPort.postMessage({ signed });
});
`;

export async function startVault(): Promise<Vault> {
  const worker = new Worker(program, { eval: true });
  const [{ port }] = await once(worker, 'message');
  const tell = async (command: string, value?: string): Promise<{ signed: number }> => {
    worker.postMessage({ command, value });
    return (await once(worker, 'message'))[0];
  };
  return {
    address: `http://127.0.0.1:${port}`,
    token: 'vault-token',
    mode: async (mode) => void (await tell('mode', mode)),
    rotate: async () => void (await tell('rotate')),
    signed: async () => (await tell('count')).signed,
    [Symbol.asyncDispose]: async () => void (await worker.terminate()),
  };
}
