import { differingClocks } from './differing-clocks.ts';
import { openScene } from './scene.ts';

describe('processes whose clocks are half a minute off, on the embedded store', () =>
  differingClocks(() => openScene()));
