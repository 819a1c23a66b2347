import type { EndReason } from '../domain/operation.ts';

/** Why nobody gets tokens, for whoever reads `error_description`; the code is `access_denied` for all (ruling 7). */
export function whyDenied(reason: EndReason | undefined): string {
  switch (reason) {
    case 'superseded':
      return 'A newer request took the place of this one.';
    case 'cancelled_by_client':
      return 'The client cancelled the request.';
    case 'not_me':
      return 'The user did not start this request.';
    case 'incorrect_data':
      return 'The user says that something in the request is not right.';
    case 'cancelled_by_user':
      return 'The user changed their mind.';
    case 'attempts':
      return 'The answer could not be verified, and no tries are left.';
    default:
      return 'The request was denied.';
  }
}
