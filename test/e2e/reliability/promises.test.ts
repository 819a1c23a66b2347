import { promises } from './promises.ts';

describe('embedded store, one server', () => promises('embedded'));
