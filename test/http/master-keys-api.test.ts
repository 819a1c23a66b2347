import { managementForEach } from './support/management.ts';

describe('master keys over the management API', () => {
  const server = managementForEach();

  test('their ids are listed, new key material is made, and the one in use cannot be forgotten', async () => {
    const { status, body } = await server.api('GET', '/keys/master');
    expect(status).toBe(200);
    expect(body.slots).toEqual([{ id: body.in_use, created_at: expect.any(String) }]);
    expect(body.generations).toHaveLength(1);
    const { masterKey } = server.scene.place;
    expect(JSON.stringify(body)).not.toContain(masterKey.toString('base64url'));

    const rotated = await server.api('POST', '/keys/master/rotate');
    expect(rotated.body.generations).toHaveLength(2);
    // it waits until every process has read it
    expect(Date.parse(rotated.body.generations[1].seals_from)).toBeGreaterThan(server.scene.clock.now());

    expect(await server.api('DELETE', `/keys/master/slots/${body.in_use}`)).toMatchObject({
      status: 409,
      body: { code: 'master_key_in_use' },
    });
    expect(await server.api('DELETE', '/keys/master/slots/nobody')).toMatchObject({
      status: 404,
      body: { code: 'master_key_not_found' },
    });
  });
});
