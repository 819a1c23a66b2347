import { redemptionRaces } from './redemption-races.ts';

describe('embedded store, one server', () => redemptionRaces('embedded'));
