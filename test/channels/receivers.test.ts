import { notificationDefaults } from '../../src/channels/notifications.ts';
import { createReceivers } from '../../src/channels/receivers.ts';
import { createClock } from '../support/clock.ts';

const receiversFor = () => createReceivers({ clock: createClock().now, options: notificationDefaults });

test('RL-11 of many for a receiver each asks again at its turn, and none waits longer than a second before it does', () => {
  const receivers = receiversFor();
  const waits = Array.from({ length: 500 }, () => receivers.enter('busy.example'));
  expect(waits.slice(0, 4)).toEqual([0, 0, 0, 0]);
  const turns = waits.slice(4);
  expect(turns).toEqual([...turns].sort((a, b) => a - b));
  expect(turns[0]).toBeLessThanOrEqual(25);
  // what was answered makes room
  expect(turns[15]).toBeLessThan(150);
  expect(turns.at(-1)).toBe(1000);
});

test('a receiver is called by more at a time the more it answers, and by few again when it does not', () => {
  const receivers = receiversFor();
  const fill = () => {
    let calls = 0;
    while (receivers.enter('shop.example') === 0) calls++;
    return calls;
  };
  let underWay = fill();
  const seen = [underWay];
  for (let round = 0; round < 4; round++) {
    const answered = round === 3 ? 1 : underWay;
    // the last stays under way: what is idle need not be remembered
    for (let i = 1; i < answered; i++) receivers.leave('shop.example', true);
    if (round === 3) receivers.leave('shop.example', false);
    underWay = (round === 3 ? underWay - 1 : 1) + fill();
    seen.push(underWay);
  }
  expect(seen).toEqual([4, 7, 13, 16, 15]);
});
