/**
 * Why a token was refused. For logs and for the caller's own mapping; never sent to the other side as it is.
 *
 * malformed  not the compact form, not base64url, not JSON, too long      header     a parameter that is not allowed here
 * key        a JWK that is no point of P-256, or is private               signature  does not verify
 * decrypt    authentication tag, key agreement or form of the key failed
 */
export type JoseErrorCode = 'malformed' | 'header' | 'key' | 'signature' | 'decrypt';

export class JoseError extends Error {
  readonly code: JoseErrorCode;

  constructor(code: JoseErrorCode, detail: string, options?: { cause?: unknown }) {
    super(detail, options);
    this.name = 'JoseError';
    this.code = code;
  }
}
