/** The store does not open: another process has it, it is newer than this program, or it lies where no promise can be kept. */
export class StoreRefused extends Error {
  constructor(message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'StoreRefused';
  }
}
