import { secretsAtRest } from './secrets.ts';

describe('embedded store, one server', () => secretsAtRest('embedded'));
