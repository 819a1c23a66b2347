import { replayRaces } from './replay-races.ts';

describe('embedded store, one server', () => replayRaces('embedded'));
