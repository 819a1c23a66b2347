/** Programs that try this server out from inside its process: demo pages and simulator. */

import type { Config } from '../config.ts';
import { createDemo } from '../demo/routes.ts';
import { websiteAddresses } from '../demo/web.ts';
import type { Mounted } from '../http/mount.ts';
import { DEMO_ASSETS, loadAssets } from '../http/pages/assets.ts';
import type { Log } from '../observability/log.ts';
import { createRequestIds } from '../protocol/request-ids.ts';
import { createSimulator } from '../simulator/index.ts';
import { operationIdOf } from '../support/ids.ts';
import type { Domain } from './domain.ts';
import { hostOf } from './listeners.ts';

type Helper = Mounted & { stop(): void };

/** Demo pages and simulator: for trying out, and refused by every production configuration. */
export async function createHelpers(config: Config, { operations, secrets }: Domain, log: Log): Promise<Helper[]> {
  const management = {
    url: `http://${hostOf(config.management.host)}:${config.management.port}`,
    key: config.management.apiKeys.find(({ key }) => key)?.key ?? '',
  };
  const helpers: Helper[] = [];
  if (config.demo.enabled) {
    const assets = await loadAssets(DEMO_ASSETS);
    const clients = {
      helpdesk: demoClient(config, 'demo-helpdesk'),
      tv: demoClient(config, 'demo-tv'),
      web: demoClient(config, 'demo-web'),
    };
    helpers.push(createDemo({ issuer: config.issuer, clients, management, asset: async (name) => assets.get(name) }));
  }
  if (config.simulator.enabled) {
    const ids = createRequestIds(secrets);
    const operationOf = (authReqId: string) => operations.get(operationIdOf(ids.handleOf(authReqId)));
    helpers.push(
      createSimulator({
        authenticator: config.authenticator.origin,
        management,
        operationOf,
        matchCodeOf: async (operationId) => operations.matchCodeOf(await operations.get(operationId)),
        onTrouble: (deviceId, error) => log.warn('simulator.refused', { deviceId, error }),
      }),
    );
  }
  return helpers;
}

/** The demo website is a part of this server: its addresses follow the server's, whatever port it has. */
export function demoAddresses({ client_id }: Config['clients'][number], { demo, issuer }: Config) {
  return demo.enabled && client_id === 'demo-web' ? websiteAddresses(issuer) : {};
}

function demoClient(config: Config, clientId: string) {
  return { clientId, secret: config.clients.find((client) => client.client_id === clientId)?.client_secret ?? '' };
}
