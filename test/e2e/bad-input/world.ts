import { generateKeyPairSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { deploy, type StoreKind } from '../../support/reliability/deployment.ts';
import { repository, type TestServer } from '../../support/server.ts';
import { clientsWith, type Life, settingsFor, settle } from './life.ts';

/** A server in the middle of its life, which ends with it. */
export interface World extends Life, AsyncDisposable {
  /** One on a file, or two on one Redis. */
  servers: TestServer[];
}

/** @param kind one process on the embedded store, or two on one Redis */
export async function createWorld(kind: StoreKind = 'embedded'): Promise<World> {
  const clientKey = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
  // the demo pages need those of the development configuration
  const { clients } = JSON.parse(readFileSync(join(repository, 'config/development.json'), 'utf8'));
  const moreClients = [...clients, ...clientsWith(clientKey)];
  const deployment = await deploy(kind, { config: settingsFor(clientKey), moreClients });
  try {
    const life = await settle(deployment.servers, clientKey);
    return {
      ...life,
      servers: deployment.servers,
      async [Symbol.asyncDispose]() {
        life.trap.close();
        await deployment[Symbol.asyncDispose]();
      },
    };
  } catch (error) {
    await deployment[Symbol.asyncDispose]();
    throw error;
  }
}
