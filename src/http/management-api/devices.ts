import type { Device } from '../../domain/device.ts';
import type { Devices } from '../../domain/devices.ts';
import type { Answer } from '../idempotency.ts';
import type { ManagementRoute } from './call.ts';
import { deviceDocument } from './documents.ts';
import { type Paging, pageQuery } from './paging.ts';

const tag = 'devices';
const aDevice = { description: 'The device.', schema: 'Device' };
const noDevice = { 404: 'No such device.' };

const found = (device: Device): Answer => ({ status: 200, body: deviceDocument(device) });

/** None of these needs the device itself: what changes here holds from the answer on, also for a phone that is off. */
export function deviceRoutes({ devices, paging }: { devices: Devices; paging: Paging }): ManagementRoute[] {
  return [
    {
      method: 'GET',
      path: '/devices',
      operationId: 'listDevices',
      summary: 'List all devices',
      tag,
      scope: 'devices:read',
      query: pageQuery,
      responses: { 200: { description: 'A page of devices.', schema: 'DeviceList' } },
      async handle({ query }) {
        const page = await devices.list(paging.pageOf('devices', query));
        return { status: 200, body: paging.listDocument('devices', page, deviceDocument) };
      },
    },
    {
      method: 'GET',
      path: '/devices/{id}',
      operationId: 'getDevice',
      summary: 'Get a device',
      tag,
      scope: 'devices:read',
      responses: { 200: aDevice },
      problems: noDevice,
      handle: async ({ params }) => found(await devices.get(params.id!)),
    },
    ...stateRoutes(devices),
  ];
}

const stateChanges = [
  [
    'lock',
    'lockDevice',
    'Lock a device',
    'Its answers are refused until it is unlocked; other devices of the user work.',
  ],
  [
    'unlock',
    'unlockDevice',
    'Unlock a device',
    'It works again and its failure counters are zero. A PIN key erased by too many failures stays erased.',
  ],
  ['deactivate', 'deactivateDevice', 'Deactivate a device', 'Final. Pending operations that name it are cancelled.'],
] as const;

function stateRoutes(devices: Devices): ManagementRoute[] {
  return stateChanges.map(
    ([verb, operationId, summary, description]): ManagementRoute => ({
      method: 'POST',
      path: `/devices/{id}/${verb}`,
      operationId,
      summary,
      description: `${description} Repeating it changes nothing.`,
      tag,
      scope: 'devices:write',
      responses: { 200: aDevice },
      problems: verb === 'deactivate' ? noDevice : { ...noDevice, 409: 'Its state does not allow this.' },
      handle: async ({ params, by }) => found(await devices[verb](params.id!, by)),
    }),
  );
}
