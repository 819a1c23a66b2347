import { journeys } from './journeys.ts';

describe('on the embedded store', () => {
  journeys(async () => ({ close: async () => {} }));
});
