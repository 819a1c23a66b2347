/** What has begun and not ended yet, for those who go after it. */
export interface UnderWay {
  /** To be called once when it has ended. */
  begin(): () => void;
  /** Resolves when all that is under way now has ended; what begins later is not waited for. */
  ended(): Promise<void>;
}

export function createUnderWay(): UnderWay {
  const underWay = new Set<Promise<void>>();
  return {
    begin() {
      const { promise, resolve } = Promise.withResolvers<void>();
      underWay.add(promise);
      return () => {
        underWay.delete(promise);
        resolve();
      };
    },
    async ended() {
      await Promise.all(underWay);
    },
  };
}
