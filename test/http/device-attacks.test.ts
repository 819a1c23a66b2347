import { newEcKey } from '../../src/support/jose/index.ts';
import { deviceAttacks } from './device-attacks.ts';
import { startDeviceServer } from './device-server.ts';
import { offers } from './offers.ts';
import { enrollRaw, post } from './raw-device.ts';
import { shownAndSigned } from './shown-and-signed.ts';

deviceAttacks(async () => ({}));
describe('what was shown and what was signed', () => shownAndSigned(async () => ({})));
describe('what is offered under a code', () => offers(async () => ({})));

test('promise 6: tries that were spent stay spent when the server starts again', async () => {
  const server = await startDeviceServer();
  const user = await server.alice();
  const raw = await enrollRaw(server, user);
  const { operation } = await server.ask(user);
  const answer = await raw.answerTo(operation.id);
  const wrong = () => raw.make('decide', raw.approval(answer, newEcKey()));
  const [first, second, third] = [wrong(), wrong(), wrong()];
  await raw.post('decide', first);
  await raw.post('decide', second);

  const again = await server.restart();
  expect(await post(again, 'decide', second)).toMatchObject({ body: { problem: { attempts_left: 1 } } });
  expect(await post(again, 'decide', third)).toMatchObject({ body: { problem: { attempts_left: 0 } } });
  expect(await again.scene.devices.get(raw.id)).toMatchObject({ state: 'locked', lockReason: 'attempts' });
  await again.close();
});
