import { allEnds, followTheModel } from './interleavings-property.ts';
import { sceneForEach } from './scene.ts';

describe('random interleavings of three clients, three users and three devices each', () => {
  const scene = sceneForEach();

  test('promises 2, 3, 5, 6, IV-02, IV-04, IV-05: whatever comes in whatever order, the answers are those of the model', async () => {
    expect(await followTheModel(scene, 100)).toEqual(expect.arrayContaining(allEnds));
  }, 120_000);
});
