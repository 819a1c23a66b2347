import type { ProtocolSettings } from './deps.ts';
import { refused } from './refused.ts';

type Requests = ProtocolSettings['ciba']['requests'];

/** Before anything in the request is believed (J-18). @throws ProtocolError invalid_request */
export function requireSignature({ mustBeSigned }: Requests, isSigned: boolean): void {
  if (mustBeSigned && !isSigned) throw refused('the authentication request must be signed');
}

export interface Contents {
  bindingMessage?: string;
  details?: readonly unknown[] | undefined;
  possessionOnly: boolean;
}

/** What a person must be shown, and prove. @throws ProtocolError invalid_request */
export function requireContents(requests: Requests, { bindingMessage, details = [], possessionOnly }: Contents): void {
  if (requests.mustHaveDetails && details.length === 0) throw refused('authorization_details are required');
  // details are unique to what they describe
  if (requests.mustHaveContext && bindingMessage === undefined && details.length === 0) {
    throw refused('a binding_message or authorization_details are required');
  }
  if (requests.mustBeTwoFactor && possessionOnly) throw refused('two factors are required');
}
