/** The consumption side: an ordinary OpenID client that knows the server by its discovery document only. */
import * as client from 'openid-client';
import { type CliError, negative, usage } from './errors.ts';
import { type Exchange, shownFetch } from './exchanges.ts';
import { explain } from './explain.ts';
import { duration } from './text.ts';

export interface CibaClientOptions {
  issuer: string;
  clientId: string;
  secret: string;
  onExchange(exchange: Exchange): void;
}

/** @throws CliError */
export async function discover({
  issuer,
  clientId,
  secret,
  onExchange,
}: CibaClientOptions): Promise<client.Configuration> {
  const insecure = issuer.startsWith('http:') ? [client.allowInsecureRequests] : [];
  const configuration = await client
    .discovery(new URL(issuer), clientId, undefined, client.ClientSecretBasic(secret), { execute: insecure })
    .catch((error: unknown) => {
      throw explainOAuth(error, `${issuer} does not answer as an OpenID provider`);
    });
  // what is printed as verified is: by the server's published keys, not only by where it came from
  client.enableNonRepudiationChecks(configuration);
  configuration[client.customFetch] = shownFetch(onExchange);
  return configuration;
}

// CIBA Core 1.0 §13 and §11, RFC 6749 §5.2; with what a person can do about it
const refusals: Record<string, [make: typeof negative, message: string, advice: string]> = {
  unknown_user_id: [negative, 'Nobody is known by this hint.', 'Nothing was started. Check the spelling of --hint.'],
  access_denied: [negative, 'Denied.', 'Nothing was approved. It can be started again.'],
  expired_token: [negative, 'There was no answer in time.', 'Nothing was approved. It can be started again.'],
  transaction_failed: [negative, 'The request has failed.', 'Nothing was approved. It can be started again.'],
  invalid_grant: [
    usage,
    'This auth_req_id is used up, or was never one of this client.',
    'Tokens are handed out once; those that were are valid.',
  ],
  invalid_client: [
    usage,
    'The server does not accept this client and secret.',
    'Nothing was started. See --client and --secret.',
  ],
  unauthorized_client: [usage, 'This client may not do this.', 'Nothing was started. See its grant_types.'],
  invalid_binding_message: [
    usage,
    'The text cannot be shown: it has characters that are not allowed, or is too long.',
    'Nothing was started. Use plain text on one line.',
  ],
};

export function explainOAuth(error: unknown, otherwise = 'The server refused'): CliError {
  if (error instanceof client.ResponseBodyError) return explainBody(error);
  if (error instanceof client.WWWAuthenticateChallengeError)
    return usage('invalid_client', refusals.invalid_client![1]);
  if (error instanceof client.ClientError && error.code === 'OAUTH_TIMEOUT') return explain(error.cause);
  const explained = explain(error);
  if (explained.code !== 'unexpected') return explained;
  return usage('unexpected_answer', `${otherwise}: ${error instanceof Error ? error.message : error}`, {
    advice: 'Is the issuer right? See --issuer.',
    cause: error,
  });
}

function explainBody({ error, error_description: description, status, response }: client.ResponseBodyError): CliError {
  if (status === 429) return tooOften(Number(response.headers.get('retry-after')));
  const said = description === undefined ? '' : ` The server says: ${description}`;
  const [make, message, advice] = refusals[error] ?? [usage, `The server refused: ${error}.`, 'Nothing was approved.'];
  return make(error, `${message}${said}`, { advice, status });
}

/** The wire says `access_denied`, and yet nobody denied: nobody was asked. */
function tooOften(seconds: number): CliError {
  const advice = `Nobody was asked. Try again${seconds > 0 ? ` in ${duration(seconds)}` : ' later'}.`;
  return usage('rate_limited', 'Not started: too many requests.', {
    advice,
    status: 429,
    ...(seconds > 0 && { retry_after: seconds }),
  });
}
