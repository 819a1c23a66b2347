import type { PublicParts } from '../../src/http/app.ts';
import { publicApp, type Started, startListener } from '../http/support/server.ts';
import type { ProtocolScene } from './scene.ts';

/** The provider where a real server has it: behind everything that each request passes first. */
export function behindEdge({ protocol, deps }: ProtocolScene, parts: Partial<PublicParts> = {}): Promise<Started> {
  return startListener(publicApp({ engine: protocol, issuer: deps.issuer, ...parts }));
}
