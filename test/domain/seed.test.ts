import { seedUsers } from '../../src/domain/seed.ts';
import { by, newUser, sceneForEach } from './scene.ts';

const wanted = [
  { username: 'alice', name: 'Alice', email: 'alice@example.test', phone: '+31612345678' },
  { username: 'bob', name: 'Bob' },
];

describe('development users', () => {
  const scene = sceneForEach();

  test('the first start creates them, the second one finds them', async () => {
    expect(await seedUsers(scene.users, wanted)).toEqual(['alice', 'bob']);
    expect(await seedUsers(scene.users, wanted)).toEqual([]);
    expect((await scene.users.list({ limit: 10 })).items).toHaveLength(2);
    expect(await scene.users.find('phone', '+31 612345678')).toMatchObject({ username: 'alice' });
  });

  test('what people changed is left alone', async () => {
    await seedUsers(scene.users, wanted);
    const alice = (await scene.users.find('username', 'alice'))!;
    await scene.users.update(alice.id, { name: 'Alicia', email: null }, by);
    await scene.users.lock(alice.id, by);
    await seedUsers(scene.users, wanted);
    expect(await scene.users.get(alice.id)).toMatchObject({ name: 'Alicia', state: 'locked' });
  });

  test('one whose e-mail address somebody else has by now does not stop the start', async () => {
    await newUser(scene, { username: 'carol', email: 'alice@example.test' });
    expect(await seedUsers(scene.users, wanted)).toEqual(['bob']);
  });

  test('seeding wrongly is an error, not a silence', async () => {
    await expect(seedUsers(scene.users, [{ username: 'no spaces' }])).rejects.toMatchObject({
      code: 'invalid_request',
    });
  });
});
