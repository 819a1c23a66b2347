import fc from 'fast-check';
import { checkDevice, checkOperation, commands } from './interleavings-commands.ts';
import type { Model, ModelUser } from './interleavings-model.ts';
import { enroll, newUser, type Scene } from './scene.ts';

// Fixed, so that a run can be repeated. A failure prints the shortest sequence that fails.
const seed = 20_300_101;
const longest = 120;

/** Where enough sequences come to: those that never get anywhere would prove nothing. */
export const allEnds = [
  'approved',
  'denied',
  'expired',
  'cancelled',
  'failed',
  'leased',
  'committed',
  'delivered',
  'PIN erased',
];

/**
 * Random sequences of everything that clients, devices, operators and time can do, each step held against the model.
 *
 * @returns how they ended
 */
export async function followTheModel(scene: Scene, runs: number): Promise<string[]> {
  const reached = new Set<string>();
  const steps = fc.commands(commands, { maxCommands: longest, size: 'max' });
  await fc.assert(
    fc.asyncProperty(steps, async (sequence) => {
      const users = await Promise.all([aPerson(scene), aPerson(scene), aPerson(scene)]);
      const model: Model = { users, operations: [] };
      await fc.asyncModelRun(() => ({ model, real: scene }), sequence);
      for (const asked of model.operations) await checkOperation(asked, scene);
      for (const { devices } of model.users) for (const device of devices) await checkDevice(device, scene);
      for (const end of endsOf(model)) reached.add(end);
    }),
    { seed, numRuns: runs },
  );
  return [...reached];
}

async function aPerson(scene: Scene): Promise<ModelUser> {
  const user = await newUser(scene);
  const devices = await Promise.all([enroll(scene, user), enroll(scene, user), enroll(scene, user)]);
  return {
    user,
    state: 'active',
    devices: devices.map((device) => ({ device, state: 'active', hasPin: true, pin: 0, pinLifetime: 0, reserved: [] })),
  };
}

function endsOf({ users, operations }: Model): string[] {
  const devices = users.flatMap((user) => user.devices);
  return [
    ...operations.map(({ state }) => state),
    ...operations.map(({ redemption }) => redemption.state),
    ...devices.filter(({ hasPin }) => !hasPin).map(() => 'PIN erased'),
  ];
}
