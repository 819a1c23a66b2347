export { maxMessageBytes } from './compact.ts';
export { JoseError, type JoseErrorCode } from './errors.ts';
export { decryptJwe, encryptDir, encryptTo, type JweHeader, type JweKey, type ParsedJwe, parseJwe } from './jwe.ts';
export {
  type EcPrivateJwk,
  type EcPublicJwk,
  jwkThumbprint,
  newEcKey,
  parsePublicJwk,
  privateJwkOf,
  privateKeyOf,
  publicJwkOf,
  publicKeyOf,
} from './jwk.ts';
export {
  isSignedBy,
  type JwsHeader,
  type ParsedJws,
  type ParseJwsOptions,
  parseJws,
  signJws,
  verifyJws,
} from './jws.ts';
export { isSignature, isSignatureAlg, type SignatureAlg } from './signatures.ts';
