import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createVirtualClient } from '../../support/reliability/clients.ts';
import { inParallel } from '../../support/reliability/concurrency.ts';
import { deploy } from '../../support/reliability/deployment.ts';
import { createHistory } from '../../support/reliability/history.ts';
import { createPhones } from '../../support/reliability/phones.ts';
import { type Acknowledgement, acknowledgements, straceArguments } from '../../support/reliability/trace.ts';
import { requireSystem, systemProgram } from '../../support/system.ts';
import { temporaryFolder } from '../../support/tmp.ts';

const FULL = process.env['ASSENT_TEST_FULL'] === '1';
/** Each is a start, a decision and a redemption. */
const FLOWS = FULL ? 1700 : 100;
const ACKNOWLEDGED = 3 * FLOWS;
const critical = ['POST /bc-authorize', 'POST /device/v1/decide', 'POST /oauth/token'];

requireSystem('strace')('a server under strace', () => {
  async function traced(flows: number, inject: string[] = []): Promise<Acknowledgement[]> {
    await using folder = await temporaryFolder('assent-strace');
    const file = join(folder.path, 'trace');
    const wrapper = [systemProgram('strace'), ...straceArguments(file, inject)];
    await using deployment = await deploy('embedded', { wrapper });
    const history = createHistory();
    const phones = await createPhones(deployment, history, ['one', 'two', 'three', 'four']);
    const client = createVirtualClient(deployment, history, 'shop');
    await inParallel(Array.from({ length: flows }), phones.length, async (_, lane) => {
      const request = await client.start(phones[lane]!.user);
      expect(await phones[lane]!.decide(request!.name, 'approve')).toEqual({ outcome: 'acknowledged' });
      expect((await client.poll(request!)).status).toBe(200);
    });
    await deployment.servers[0]!.stop();
    while (!readFileSync(file, 'utf8').includes('+++ exited with 0 +++')) await sleep(20);
    return acknowledgements(readFileSync(file, 'utf8'), (request) => critical.includes(request));
  }

  test(`${FULL ? 'RL-05 ' : ''}none of ${ACKNOWLEDGED} acknowledgements of starts, decisions and redemptions leaves before the log was synced`, async () => {
    const found = await traced(FLOWS);
    expect(found).toHaveLength(ACKNOWLEDGED);
    expect(found.filter(({ isDurable }) => !isDurable)).toEqual([]);
  }, 900_000);

  test('the same check finds a server whose syncs do nothing', async () => {
    const found = await traced(5, ['fsync:retval=0', 'fdatasync:retval=0']);
    expect(found.filter(({ isDurable }) => !isDurable)).toHaveLength(15);
  }, 60_000);
});

describe('the reader of a trace', () => {
  const arrives = '10 read(21<socket:[5]>, "POST /bc-authorize HTTP/1.1\\r\\n"..., 65536) = 300';
  const writes = '12 pwrite64(19</tmp/assent.db-wal>, "\\0"..., 4096, 32) = 4096';
  const syncs = '12 fdatasync(19</tmp/assent.db-wal>) = 0';
  const leaves = '10 writev(21<socket:[5]>, [{iov_base="HTTP/1.1 200 OK\\r\\n"..., iov_len=300}], 1) = 300';
  const verdict = (...lines: string[]) =>
    acknowledgements(lines.join('\n'), () => true).map(({ isDurable }) => isDurable);

  test.each<[string, boolean, string[]]>([
    ['written, synced, answered', true, [arrives, writes, syncs, leaves]],
    ['answered before the sync', false, [arrives, writes, leaves, syncs]],
    ['answered before the write', false, [arrives, leaves, writes, syncs]],
    ['never written', false, [arrives, leaves]],
    ['the sync came before the write', false, [arrives, syncs, writes, leaves]],
    ['written and synced for somebody before', false, [writes, syncs, arrives, leaves]],
    ['the sync failed', false, [arrives, writes, syncs.replace('= 0', '= -1 EIO (Input/output error)'), leaves]],
    ['the sync was none', false, [arrives, writes, `${syncs} (INJECTED)`, leaves]],
    ['the sync was of another file', false, [arrives, writes, syncs.replace('-wal', ''), leaves]],
    [
      'the sync had begun, and ended too late',
      false,
      [
        arrives,
        writes,
        '12 fdatasync(19</tmp/assent.db-wal> <unfinished ...>',
        leaves,
        '12 <... fdatasync resumed>) = 0',
      ],
    ],
    [
      'the sync had begun, and ended in time',
      true,
      [
        arrives,
        writes,
        '12 fdatasync(19</tmp/assent.db-wal> <unfinished ...>',
        '12 <... fdatasync resumed>) = 0',
        leaves,
      ],
    ],
    [
      'the request was read in two halves',
      false,
      [
        '10 read(21<socket:[5]>,  <unfinished ...>',
        writes,
        syncs,
        '10 <... read resumed>"POST /bc-authorize HTTP/1.1\\r\\n"..., 65536) = 300',
        leaves,
      ],
    ],
  ])('%s', (_, isDurable, lines) => {
    expect(verdict(...lines)).toEqual([isDurable]);
  });
});
