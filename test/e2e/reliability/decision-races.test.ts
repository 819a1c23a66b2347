import { decisionRaces } from './decision-races.ts';

describe('embedded store, one server', () => decisionRaces('embedded'));
