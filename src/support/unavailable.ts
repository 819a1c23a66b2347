/** Something that this process needs (the store, a signer, the keys of a client) cannot be reached, is full, or did not answer in time. What was asked for may or may not have happened. */
export class StoreUnavailable extends Error {
  constructor(message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'StoreUnavailable';
  }
}

/** A key outside of this process did not sign. */
export class SignerUnavailable extends StoreUnavailable {
  constructor(message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'SignerUnavailable';
  }
}
