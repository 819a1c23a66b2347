import { join } from 'node:path';
import { openEmbeddedStore } from '../../adapters/embedded/index.ts';
import { storeConformance } from '../conformance/index.ts';
import { temporaryFolder } from '../support/tmp.ts';

storeConformance(
  'embedded store',
  async () => {
    const folder = await temporaryFolder('assent-embedded');
    const store = await openEmbeddedStore({ file: join(folder.path, 'assent.db') });
    return {
      store,
      close: async () => {
        await store.close();
        await folder.remove();
      },
    };
  },
  { knownDifferences: { oneStepUsers: 'user and identifiers are one transaction' } },
);
