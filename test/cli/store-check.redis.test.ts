import { join } from 'node:path';
import { runCli, runCliProcess } from '../support/cli.ts';
import { freePort } from '../support/ports.ts';
import { startRedis } from '../support/redis.ts';
import { repository } from '../support/server.ts';
import { requireSystem } from '../support/system.ts';

const check = (store: string, run = runCli) =>
  run(['store', 'check', '--config', join(repository, 'config/development.json'), '--json'], {
    env: { ASSENT_STORE: store },
  });

requireSystem('redis-server')('store check on Redis', () => {
  test('one that keeps what it acknowledges is fit', async () => {
    await using redis = await startRedis();
    const checked = await check(redis.url);
    expect(checked).toMatchObject({ status: 0 });
    expect(checked.json()).toMatchObject({ ok: true, findings: [{ what: 'reachable' }, { what: 'schema version' }] });
    // it is not the one who opens it
    expect(await redis.command('exists', 'assent:{00}:schema')).toBe('0');
  });

  test('one that may forget is not', async () => {
    await using redis = await startRedis({ args: ['--maxmemory-policy', 'allkeys-lru', '--appendonly', 'no'] });
    const checked = await check(redis.url);
    expect(checked.status).toBe(2);
    const bad = checked.json().error.findings.filter(({ ok }: { ok: boolean }) => !ok);
    expect(bad.map(({ what }: { what: string }) => what)).toEqual(['redis_may_evict', 'redis_not_durable']);
  });

  test('one of another schema version is not', async () => {
    await using redis = await startRedis();
    const set = (marker: string) => redis.command('set', 'assent:{00}:schema', marker);
    await set('99');
    const checked = await check(redis.url);
    expect([checked.status, JSON.stringify(checked.json())]).toEqual([2, expect.stringContaining('schema version 99')]);
    await set('99 readable by 1');
    expect((await check(redis.url)).json().findings).toContainEqual({
      what: 'schema version',
      ok: true,
      found: expect.stringContaining('99, readable by programs of 1 and later; this program is of '),
    });
  });

  test('one that is not there is not, and the password is not repeated', async () => {
    const checked = await check(`redis://:hidden-word@127.0.0.1:${await freePort()}`, runCliProcess);
    expect(checked.status).toBe(2);
    expect(checked.stdout).toContain('store_unfit');
    expect(checked.stdout).not.toContain('hidden-word');
  });
});
