// Made from config/schema.json by `npm run docs`; change that file instead.

/** Settings of an Assent server. This file is the only truth about them; config/README.md and src/config/types.ts are made from it. */
export interface Config {
  /** What the server is for. `production` refuses everything that is only good for trying things out; `development` fills in what a first run needs; `conformance` is for certification suites: no demo, but issuer and keys as in production. */
  environment: 'development' | 'production' | 'conformance';
  /** Address of this server as clients and phones know it: `https`, without query, fragment or slash at the end. All addresses that the server hands out begin with it, whatever the `Host` header says. */
  issuer: string;
  /** Address that the public listener binds to. The image sets `0.0.0.0`. */
  host: string;
  /** Port of the public listener; 0 takes a free one. */
  port: number;
  /** The management listener: management API and metrics. Keep it where only operators reach it. */
  management: {
    /** Address that the management listener binds to. */
    host: string;
    /** Port of the management listener; 0 takes a free one. */
    port: number;
    /** Keys for the management API, sent as `Authorization: Bearer <key>`. */
    apiKeys: ApiKey[];
  };
  /** The installable web authenticator. It has an origin of its own, so that no page of the issuer can reach its keys. */
  authenticator: {
    /** Port of the authenticator listener; 0 takes a free one. */
    port: number;
    /** Origin under which browsers reach the authenticator: scheme, host and port only. */
    origin: string;
  };
  /** Where everything is kept. `embedded:<file>` is one file for exactly one server process; the others are Redis or Valkey, alone, with Sentinel or as a cluster. */
  store: string;
  /** How long Redis is waited for, and what it must have done before something is acknowledged. Without effect on the embedded store. */
  redis: {
    /** Patience with one command, in milliseconds; beyond it the answer is 503 with `Retry-After`, and what was asked may be repeated. A disk that stalls under `appendfsync always` wants more. A connection that is silent for three times as long is made anew. */
    commandTimeoutMs: number;
    /** So many replicas must have a start, a decision, tokens, a used id or a counted try before it is acknowledged (`WAIT`), so that the loss of a master does not take it back. 0: the master alone. See docs/running.md. */
    waitReplicas: number;
    /** They must say so within this time, in milliseconds; otherwise the answer is 503, and what was asked may be repeated. */
    waitMs: number;
  };
  /** 32 random bytes, base64url: it opens the root that everything secret in the store is encrypted or keyed with. Losing it is losing the store. `openssl rand -base64 32 | tr +/ -_ | tr -d =` */
  masterKey?: string;
  /** Former master keys, comma between them, while the master key is being replaced: they open a store that `masterKey` does not open yet. `docs/keys.md` says how. */
  masterKeyPrevious?: string;
  /** Number of reverse proxies in front whose `X-Forwarded-*` headers are believed. 0: these headers are ignored. */
  proxyHops: number;
  /** What the reverse proxies of `proxyHops` tell about a client beside its address. */
  proxy: {
    /** Header in which the proxy hands over the client's TLS certificate: `Client-Cert` as in RFC 9440, or PEM in URL encoding (nginx `$ssl_client_escaped_cert`). The proxy must remove or replace this header in every request that it forwards. Needs `proxyHops`. */
    clientCertificateHeader?: string;
    /** The proxy hands over only certificates whose chain it has verified. `tls_client_auth` needs that; `self_signed_tls_client_auth` does not. */
    clientCertificatesVerified: boolean;
  };
  /** A TLS listener of our own beside the public one, for clients that come without a proxy. It serves the same, on the same `host`, and believes no forwarded header. */
  tls?: {
    /** Port of the TLS listener; 0 takes a free one. */
    port: number;
    /** A second port where clients may show a certificate (RFC 8705); 0 takes a free one. */
    clientPort?: number;
    /** File with the certificate and its chain, PEM. A changed file is taken into use without a restart, for new connections. */
    certificate: string;
    /** File with the private key of the certificate, PEM. */
    key: string;
    /** File with the authorities, PEM, that issue client certificates. Without it no chain counts as verified: `self_signed_tls_client_auth` works, `tls_client_auth` does not. */
    clientAuthorities?: string;
    /** How often the files are looked at for changes; 0: only on SIGHUP. */
    reloadSeconds: number;
    /** Oldest version that is spoken. */
    minVersion: 'TLSv1.2' | 'TLSv1.3';
    /** Cipher suites of TLS 1.2, best first. The default is what FAPI allows (FAPI 1.0 Advanced, section 8.5) of those with ephemeral elliptic curves, and the same for ECDSA certificates. TLS 1.3 has its own, which are all good. */
    ciphers: (
      | 'ECDHE-RSA-AES128-GCM-SHA256'
      | 'ECDHE-RSA-AES256-GCM-SHA384'
      | 'ECDHE-ECDSA-AES128-GCM-SHA256'
      | 'ECDHE-ECDSA-AES256-GCM-SHA384'
      | 'ECDHE-RSA-CHACHA20-POLY1305'
      | 'ECDHE-ECDSA-CHACHA20-POLY1305'
    )[];
  };
  /** A profile in one word: fills in what its rules want and refuses settings and clients that contradict them. `fapi-ciba`: FAPI-CIBA. `psd2`: that, and strong customer authentication of what is paid. `agent`: for software that asks on its own. `callcenter`: for people who are on the phone. `src/config/presets.ts` is the list. */
  preset?: 'fapi-ciba' | 'psd2' | 'agent' | 'callcenter';
  /** How clients prove who they are, at every endpoint alike. */
  clientAuthentication: {
    /** Whom a client assertion may name as its audience. `core`: the issuer, the token endpoint or the backchannel authentication endpoint (CIBA Core 7.1). `rfc10070`: the issuer alone, as one text, and the assertion's type must be `client-authentication+jwt`. Clients may be stricter or laxer for themselves (`assent_assertion_audience`). */
    audience: 'core' | 'rfc10070';
    /** Ways that clients may register for. The two with certificates need `tls.clientPort` or `proxy.clientCertificateHeader`. */
    methods: (
      | 'client_secret_basic'
      | 'client_secret_post'
      | 'client_secret_jwt'
      | 'private_key_jwt'
      | 'tls_client_auth'
      | 'self_signed_tls_client_auth'
    )[];
    /** Algorithms of what clients sign: assertions and authentication requests. */
    signingAlgs: ('ES256' | 'PS256' | 'RS256' | 'Ed25519' | 'EdDSA')[];
  };
  /** DPoP (RFC 9449): tokens that are of use only to whoever holds a key. */
  dpop: {
    /** Proofs must hold a nonce of this server; a client that brings none is told one (`use_dpop_nonce`). Without it a proof counts for five minutes by the client's clock. */
    requireNonce: boolean;
    /** Algorithms of proofs. */
    signingAlgs: ('ES256' | 'PS256' | 'Ed25519' | 'EdDSA')[];
  };
  /** Certificates of clients (RFC 8705). They come in by `tls.clientPort` or `proxy.clientCertificateHeader`. */
  mtls: {
    /** Where clients may show a certificate: scheme, host and port. `mtls_endpoint_aliases` begin with it. */
    origin: string;
  };
  /** Dynamic client registration (RFC 7591, RFC 7592) at `/oauth/register`. */
  registration: {
    /** Serve it. */
    enabled: boolean;
    /** Whoever registers a client must present it as a bearer token; at least 32 characters. */
    initialAccessToken?: string;
  };
  /** Language of pages and messages for people who did not choose one (BCP 47). */
  language: string;
  /** Logging to standard output, one JSON object per line, secrets and personal data masked. */
  log: {
    /** The least important level that is written. */
    level: 'debug' | 'info' | 'warn' | 'error';
  };
  /** Numbers for Prometheus at `/metrics` of the management listener, without a key. */
  metrics: {
    /** Serve them. */
    enabled: boolean;
    /** Count starts and polls for each client of the configuration (`client`); those of all others are `other`. */
    clientLabel: boolean;
  };
  /** Limits of every listener. Names as in `node:http`; times are milliseconds. */
  listeners: {
    /** Time for the complete header of a request, then 408. */
    headersTimeout: number;
    /** Time for the complete request, then 408. Held requests and event streams are not affected: they have been read. */
    requestTimeout: number;
    /** How far a process may be behind for a second (its event loop, the answers of the store) before new authentication requests are answered 503 with `Retry-After`; token requests at twice as much, devices never. 0: whatever comes is taken on. */
    overloadMs: number;
    /** How often these two are looked at. */
    connectionsCheckingInterval: number;
    /** Open connections per listener; what comes beyond is closed. Keep it 64 below the limit of open files. */
    maxConnections: number;
    /** Header lines of a request. */
    maxHeadersCount: number;
    /** Requests on one connection before it is closed, so that load spreads again; 0: no limit. */
    maxRequestsPerSocket: number;
    /** Body of a request, then 413. */
    bodyLimitBytes: number;
  };
  /** After SIGTERM: time for requests in flight before the process ends. */
  drainSeconds: number;
  /** What clients get at `/bc-authorize` and while they poll. */
  ciba: {
    /** What every authentication request must be, beyond the specification. Presets set these. */
    requests: {
      /** Signed by the client (`request`); clients must be registered for that. */
      mustBeSigned: boolean;
      /** With a `binding_message` or `authorization_details`: the person is never asked about nothing. */
      mustHaveContext: boolean;
      /** With `authorization_details`. */
      mustHaveDetails: boolean;
      /** Possession of the device alone is never enough, also in browsers. */
      mustBeTwoFactor: boolean;
      /** Clients must be registered for number matching (`assent_match`). */
      mustMatch: boolean;
    };
    /** How clients may learn the result. Leave `push` out where tokens must be bound to a key of the client (FAPI-CIBA forbids it). */
    deliveryModes: ('poll' | 'ping' | 'push')[];
    /** Long polling: a token request waits for the decision where its client is registered for it (`assent_hold_seconds`) or asks for it (`Prefer: wait=20`). */
    hold: {
      /** The longest, whatever a client asks for; 0: every poll is answered at once. */
      maxSeconds: number;
      /** Waiting requests of one client in one process; who comes beyond is answered at once. */
      perClient: number;
      /** Waiting requests in one process. Each is an open connection: keep it below `listeners.maxConnections`. */
      perProcess: number;
    };
    /** Seconds between two polls that a client is told (`interval`). */
    intervalSeconds: number;
    /** Lifetime of an authentication request in seconds; `requested_expiry` is clamped to it. */
    expiry: {
      /** Without `requested_expiry`. */
      defaultSeconds: number;
      /** The shortest. */
      minSeconds: number;
      /** The longest. 600 is the limit of NIST SP 800-63B-4 and OWASP ASVS 6.5.5. */
      maxSeconds: number;
    };
    /** Limits of `binding_message`; longer ones are refused, never cut. */
    bindingMessage: {
      /** Unicode code points. */
      maxCodePoints: number;
      /** Bytes in UTF-8. */
      maxBytes: number;
    };
    /** Documents that come with a request (`document`); of clients with `assent_documents`. */
    document: {
      /** Bytes of the content. A request as a whole has at most 56 KiB, a signed one 32 KiB. */
      maxBytes: number;
    };
    /** Pending operations that one client may have for one user at the same time; 0: any number. */
    pendingPerClient: number;
    /** What a start beyond `pendingPerClient` does: `replace` cancels the oldest, `refuse` answers 429. */
    pendingPolicy: 'replace' | 'refuse';
    /** Pending operations of all clients together for one user; a start beyond answers 429. 0: any number. */
    pendingPerUser: number;
    /** User codes: a secret that people tell a client before it may ask them something. They matter for users who have one (`user_code` of the management API) and clients that are registered to send one. */
    userCode: {
      /** Ask for them; discovery says so. Otherwise a code that is sent is ignored. */
      enabled: boolean;
      /** Codes that are compared for one user and one client in `windowSeconds`, right ones included; beyond that every code of this client is wrong. */
      maxTries: number;
      /** The same, of all clients together: then every code is wrong. Above `maxTries`, so that one client cannot lock a person out at the others. */
      maxTriesOfAll: number;
      /** Until the tries begin anew. */
      windowSeconds: number;
    };
  };
  /** How often people may be asked (S-02): by `/bc-authorize` and by sign-in in browsers. Beyond, the answer is 429 with `Retry-After`, no device hears of it, and the audit trail has `operation.refused`. Held by all processes together. See docs/requests.md. */
  limits: {
    /** Starts of one client for one person. */
    perUserAndClient: {
      /** So many in any `windowSeconds`; 0: any number. */
      starts: number;
      /** How long a start counts. */
      windowSeconds: number;
    };
    /** Starts of all clients together for one person. */
    perUser: {
      /** So many in any `windowSeconds`; 0: any number. */
      starts: number;
      /** How long a start counts. */
      windowSeconds: number;
    };
    /** Requests of one client to `/bc-authorize`, whoever is named, whether they exist or not. */
    perClient: {
      /** So many in `windowSeconds`; 0: any number. */
      starts: number;
      /** From the first request that counts until counting begins anew. */
      windowSeconds: number;
    };
    /** How long a client waits until it may ask the same person again after a request that was denied, failed (but for the first that does), expired unanswered or was replaced unanswered. Twice as long after each further one; an approval begins anew, and so does a day without one of these. What the client cancels itself does not count. */
    backOff: {
      /** After the first; 0: never. */
      firstSeconds: number;
      /** The longest. */
      maxSeconds: number;
    };
    /** How long a client may not ask a person who said that they did not start its request (`not_me`); 0: no longer than after any denial. `DELETE /management/v1/users/{id}/limits` ends it sooner. */
    notMeSeconds: number;
  };
  /** Calls to addresses that clients name: pings, pushes, `jwks_uri`. Addresses that only this network reaches are refused before anything connects to them. */
  outbound: {
    /** Also this machine itself, on any port, and key sets without TLS; pings and pushes go to `https` all the same. For trying out; never in production. */
    allowLoopback: boolean;
    /** Only these: names, `*.suffix`, addresses. */
    allowedHosts?: string[];
    /** Ports that may be called. */
    allowedPorts: number[];
    /** Private networks (CIDR) that may be called all the same. */
    allowedNetworks: string[];
    /** Files with root certificates, PEM, of authorities that are believed beside the public ones. Read at the start. */
    trustAnchors: string[];
    /** What is shown to receivers that ask for a certificate. Read at the start. */
    clientCertificate?: {
      /** File with the certificate and its chain, PEM. */
      certificate: string;
      /** File with the private key of the certificate, PEM, not encrypted. */
      key: string;
    };
  };
  /** Polling too fast. */
  pacing: {
    /** A poll that is this much early still counts as in time. */
    toleranceMs: number;
    /** Each `slow_down` adds this to the interval. */
    stepSeconds: number;
    /** The interval grows no further. */
    maxSeconds: number;
  };
  /** Handing out the tokens of an approved operation, once. */
  redemption: {
    /** A poll that began to issue tokens holds the operation for this long; if it dies, the next poll takes over. */
    leaseMs: number;
    /** A response that was made and never left the server is given again for this long. */
    replaySeconds: number;
  };
  /** Sign-in of people in browsers, for ordinary relying parties: `/authorize` (authorization code with PKCE), `/oauth/par`, `/logout`. */
  signIn: {
    /** Serve it. Without it these addresses are not there. */
    enabled: boolean;
    /** From an approval until the browser must ask again (default: eight hours). Use does not prolong it; `max_age` and `prompt` of a relying party can shorten it for that one. */
    sessionSeconds: number;
    /** Number matching: what is shown in the browser is chosen of three, or typed, on the device. Without it, whoever can make somebody approve is signed in as them. */
    match: 'choose' | 'type2' | 'type6' | 'none';
    /** The page also offers a QR code and a link, which an authenticator claims: whoever it belongs to is asked, and types no name. The number is always typed then (`type6` where `match` or the client says so, else `type2`). It asks whoever scans the code, so somebody who shows theirs to others relies on people who approve without reading where it comes from. */
    scan: boolean;
  };
  /** How long finished things stay, in hours, and how many of them. */
  retention: {
    /** Operations after their end, so that late polls and look-ups get the right answer. */
    operationsHours: number;
    /** Evidence of decisions (default: three years). */
    evidenceHours: number;
    /** Audit events (default: one year). */
    auditHours: number;
    /** Lines in the delivery logs of clients: each attempt to ping or push (default: thirty days). */
    deliveriesHours: number;
    /** At most so many lines, the newest, in the delivery log of each client. One takes about 300 bytes. */
    deliveriesPerClient: number;
  };
  /** The device API. */
  device: {
    /** How far a device clock may be off. */
    skewSeconds: number;
    /** Lifetime of a device session. */
    sessionSeconds: number;
    /** Event stream: a comment line this often keeps proxies from closing it. */
    eventHeartbeatSeconds: number;
    /** Calls of the device API from one address (of IPv6: from one /64) in a minute, in each process, and, counted apart, of `/authorize` and `/logout` and forms sent from the pages of browser sign-in; beyond, 429 with `Retry-After`. Many phones can share an address of their mobile operator. 0: no limit. */
    callsPerMinute: number;
    /** Event streams of one device in a process; one more ends the oldest. */
    eventStreamsPerDevice: number;
    /** Event stream: closed after this time; the device connects again. */
    eventStreamSeconds: number;
    /** Lifetime of an enrollment ticket, when the caller asks for none. */
    ticketSeconds: number;
    /** The longest that a caller may ask for. */
    ticketMaxSeconds: number;
    /** Each device that enrolls from now on encrypts to a key pair of its own instead of the one that all share (`keys.boxRotationDays` and `keys.boxDestroyHours` hold for it as well). Costs one read of the store for each signed message. */
    ownBox: boolean;
    /** What a new device must bring beside a ticket and its keys. Applications may be stricter. */
    enrollment: {
      /** `code`: the new device shows six digits, which are typed where the ticket was shown (`POST /users/{id}/enrollment-tickets/{operation_id}/confirm`, `assent ticket confirm`), or on the device that approves it. Three tries. */
      confirm: 'off' | 'code';
      /** A device that the user has is asked first, and answers with its PIN. `if_any`: where there is one that can; `required`: a user without one enrolls nothing, so the first device must be of another application. */
      approveByExistingDevice: 'off' | 'if_any' | 'required';
      /** What the platform says of the device's key (`plugins.attestation` reads it). `record`: kept with the device and shown in evidence; `require`: only a trusted key is enrolled. */
      attestation: 'off' | 'record' | 'require';
    };
    /** Personal identification numbers. Applications may be stricter. */
    pin: {
      /** Fewer digits are refused. */
      minLength: number;
      /** Digits, where an application says nothing. */
      defaultLength: number;
      /** Wrong ones in a row before the device is locked. Applications may say fewer. */
      maxFailures: number;
      /** Wrong ones in the life of the key. 100 is the limit of NIST SP 800-63B-4. */
      lifetimeFailures: number;
      /** What stays of the proof of a right PIN, where an application says nothing. `none`: its hash, signed by the device; that it was right is the server's word. `sealed`: the proof and the key that it was verified with, for a dispute, as long as the evidence and encrypted under the master key; opening one needs the scope `pin-proofs:open` and is in the audit trail. The price: such a proof together with a copy of the device lets every PIN be tried without anybody noticing, and disconnecting the device no longer destroys the last of them. */
      proofRetention: 'none' | 'sealed';
    };
  };
  /** Names of the authentication contexts, as they stand in ID tokens and `acr_values_supported`. */
  acr: {
    /** The device key signed; nothing else was proved. */
    possession: string;
    /** The device key signed, and a PIN or user verification was proved. */
    twoFactor: string;
  };
  /** Lifetimes of tokens in seconds. */
  tokens: {
    /** Access tokens. */
    accessSeconds: number;
    /** ID tokens. */
    idSeconds: number;
    /** Refresh tokens (default: 14 days). */
    refreshSeconds: number;
    /** Every client must have its tokens bound to its certificate or to a DPoP key: clients that are registered for neither are refused. */
    senderConstrained: boolean;
  };
  /** Keys that the server makes for itself. */
  keys: {
    /** How ID tokens are signed for clients that do not say otherwise. */
    idTokenAlg: 'ES256' | 'RS256' | 'PS256' | 'EdDSA';
    /** Algorithms that clients may choose for their ID tokens (`id_token_signed_response_alg`); the server keeps a key for each. OpenID Connect Discovery wants `RS256` among them. */
    idTokenAlgs: ('ES256' | 'RS256' | 'PS256' | 'EdDSA')[];
    /** A signing key is replaced this often; 0: only when told (`assent key rotate`). */
    signingRotationDays: number;
    /** A new signing key is published this long before it signs, so that relying parties who keep the key set know it by then. */
    signingPublishMinutes: number;
    /** A replaced signing key stays in the key set this long, at least as long as any ID token of its lives. Its public half is kept for evidence and hints. */
    signingRetireDays: number;
    /** The key that signs challenges and evidence for devices is replaced this often; 0: only when told (`assent key rotate --use seal`). */
    sealRotationDays: number;
    /** A new one is published this long before it signs. A device that learns of it later asks for the keys once more, and nobody notices. */
    sealPublishMinutes: number;
    /** The private half of a replaced one is destroyed after this. Until then it vouches for its successors, so a device may be switched off for so long; later it must be enrolled again. The public half is kept for ever, for whoever verifies evidence. */
    sealDestroyDays: number;
    /** The key that devices encrypt to is replaced this often. */
    boxRotationDays: number;
    /** A replaced one is destroyed after this; until then old messages can be read. */
    boxDestroyHours: number;
  };
  /** Who else may say which person is meant. */
  hints: {
    /** Issuers of `login_hint_token`: JWTs with `sub_id` (RFC 9493). Without any, such tokens are refused. */
    issuers: HintIssuer[];
  };
  /** Resource servers that access tokens may be for: what clients send as `resource` (RFC 8707) or `audience`. */
  resources: Resource[];
  /** Modules of your own that the server loads at its start: JavaScript, or TypeScript without anything to transform, each with a function as its default export. A path is relative to the working directory; a name is a package that is installed beside the server. A module that cannot be loaded stops the start. */
  plugins: {
    /** Looks at each authentication request before anybody is asked, and allows it, refuses it or asks for more (docs/requests.md). */
    policy?: string;
    /** Gives keys for ID tokens whose private halves are elsewhere, in a KMS or an HSM; they sign instead of keys of our own, each for its algorithm (docs/keys.md). */
    signer?: string;
    /** Verifies what platforms say of the keys of new devices (docs/enrollment.md): App Attest, Android key attestation, Play Integrity, WebAuthn. */
    attestation?: string;
    /** Tells people by mail or message, whatever you have a gateway for, what has changed about their devices (docs/enrollment.md): also who has no other device that could be told. */
    notice?: string;
  };
  /** Types of `authorization_details` (RFC 9396). A client needs them in its own `authorization_details_types`. */
  authorizationDetails: AuthorizationDetailsType[];
  /** OAuth clients. The server loads and checks them at start. */
  clients: ClientMetadata[];
  /** Authenticator applications. */
  applications: Application[];
  /** Created at the first start, in development. */
  seed: {
    /** Users. */
    users: SeedUser[];
  };
  /** Demo pages `/demo/…`. Never in production. */
  demo: {
    /** Serve them. */
    enabled: boolean;
  };
  /** Simulated devices `/simulator/…`, which approve without a person. Never in production. */
  simulator: {
    /** Serve it. */
    enabled: boolean;
  };
}

/** A key for the management API; exactly one of `key`, `keyFile` and `sha256`. */
export interface ApiKey {
  /** Who uses it; stands in the audit trail. */
  name: string;
  /** The key itself, at least 32 characters. */
  key?: string;
  /** SHA-256 of the key in hexadecimal: `printf %s "$KEY" | sha256sum`. */
  sha256: string;
  /** What it may do; `*` is everything. */
  scopes: string[];
}

/** Client metadata (RFC 7591, OpenID Connect, CIBA Core) and our own members, which begin with `assent_`. What is left out has the default of its specification. */
export interface ClientMetadata {
  /** Identifier. */
  client_id: string;
  /** Secret, at least 32 characters. */
  client_secret?: string;
  /** Shown to the user on the device: text on one line, as a binding message. */
  client_name?: string;
  /** Grants that the client may use. */
  grant_types: ('urn:openid:params:grant-type:ciba' | 'authorization_code' | 'refresh_token')[];
  /** For the authorization code grant: `code`. */
  response_types: string[];
  /** For the authorization code grant: `https`, or `http` on the own machine (`localhost`, `127.0.0.1`, `[::1]`). */
  redirect_uris: string[];
  /** Where the user may go after signing out. */
  post_logout_redirect_uris: string[];
  /** Scopes that the client may ask for, separated by spaces. */
  scope?: string;
  /** How the client proves who it is. */
  token_endpoint_auth_method:
    | 'client_secret_basic'
    | 'client_secret_post'
    | 'client_secret_jwt'
    | 'private_key_jwt'
    | 'tls_client_auth'
    | 'self_signed_tls_client_auth';
  /** The one algorithm of its assertions. */
  token_endpoint_auth_signing_alg?: string;
  /** Its public keys. */
  jwks?: Record<string, unknown>;
  /** Where its public keys are. */
  jwks_uri?: string;
  /** Subject of its certificate. */
  tls_client_auth_subject_dn?: string;
  /** DNS name in its certificate. */
  tls_client_auth_san_dns?: string;
  /** URI in its certificate. */
  tls_client_auth_san_uri?: string;
  /** IP address in its certificate. */
  tls_client_auth_san_ip?: string;
  /** E-mail address in its certificate. */
  tls_client_auth_san_email?: string;
  /** Bind its tokens to its certificate. */
  tls_client_certificate_bound_access_tokens: boolean;
  /** Refuse it without DPoP. */
  dpop_bound_access_tokens: boolean;
  /** Take its authorization requests only by way of `/oauth/par` (RFC 9126). */
  require_pushed_authorization_requests: boolean;
  /** Whether clients see the same `sub`. */
  subject_type: 'public' | 'pairwise';
  /** Clients with the same one see the same pairwise `sub`. */
  sector_identifier_uri?: string;
  /** Algorithm of its ID tokens. */
  id_token_signed_response_alg?: string;
  /** Its ID tokens are encrypted, to a key of `jwks` or `jwks_uri`, with this one. */
  id_token_encrypted_response_alg?: 'ECDH-ES' | 'ECDH-ES+A128KW' | 'ECDH-ES+A256KW' | 'RSA-OAEP' | 'RSA-OAEP-256';
  /** How the content of its encrypted ID tokens is encrypted. */
  id_token_encrypted_response_enc?: 'A128CBC-HS256' | 'A256CBC-HS512' | 'A128GCM' | 'A256GCM';
  /** Sign the user info response. */
  userinfo_signed_response_alg?: string;
  /** Algorithm of its request objects. */
  request_object_signing_alg?: string;
  /** Types of `authorization_details` that it may use (RFC 9396). */
  authorization_details_types: string[];
  /** Asked for when a request names none. */
  default_acr_values: string[];
  /** Oldest acceptable authentication, in seconds. */
  default_max_age?: number;
  /** Always put `auth_time` into the ID token. */
  require_auth_time: boolean;
  /** How it learns the result. */
  backchannel_token_delivery_mode?: 'poll' | 'ping' | 'push';
  /** Where pings and pushes go. */
  backchannel_client_notification_endpoint?: string;
  /** It signs its authentication requests with this; unsigned ones are refused. */
  backchannel_authentication_request_signing_alg?: string;
  /** It sends `user_code`. */
  backchannel_user_code_parameter: boolean;
  /** Kind of client. */
  application_type: 'web' | 'native';
  /** Its home page. */
  client_uri?: string;
  /** Its logo. */
  logo_uri?: string;
  /** Its privacy policy. */
  policy_uri?: string;
  /** Its terms of service. */
  tos_uri?: string;
  /** People responsible for it. */
  contacts: string[];
  /** Identifier of the software. */
  software_id?: string;
  /** Version of the software. */
  software_version?: string;
  /** A client that is switched off gets nothing, not even for what it started before. */
  assent_active: boolean;
  /** What it gets where nobody can be asked. `error`: it is told (`unknown_user_id` and the like). `decoy`: a request like any other, which nobody sees and which expires, so that it learns of nobody whether they exist. */
  assent_unknown_user: 'error' | 'decoy';
  /** Whose tokens it may introspect. `own`: those that were issued to it, and those that are for it, whose audience is its `client_id`. `any`: all of them, for a gateway in front of many services. */
  assent_introspect: 'own' | 'any';
  /** It may send a document that the person is to agree to (`document`). Sent by others, the request is refused. */
  assent_documents: boolean;
  /** Long polling: its token requests wait this long for the decision. A request that says `Prefer: wait` gets what it asks for instead. */
  assent_hold_seconds: number;
  /** Whom its assertions may name as their audience; see `clientAuthentication.audience`. */
  assent_assertion_audience?: 'core' | 'rfc10070';
  /** Names of the secrets under which pings and pushes to it are signed (Standard Webhooks), newest first; the second is the former one, while its receiver changes over. The secrets themselves: `assent client notification-secrets`. */
  assent_notification_keys: string[];
  /** Number matching: the user picks the shown number (`choose`), or types its two or six digits. */
  assent_match: 'none' | 'choose' | 'type2' | 'type6';
  /** How the person must prove presence. */
  assent_method?: 'device' | 'pin';
}

/** Somebody who may name people in a `login_hint_token`. */
export interface HintIssuer {
  /** Its `iss`. */
  issuer: string;
  /** Its public keys; or `jwks_uri`. */
  jwks?: Record<string, unknown>;
  /** Where its public keys are fetched; or `jwks`. */
  jwks_uri?: string;
  /** What its tokens say as `aud`. */
  audience?: string;
}

/** A resource server. */
export interface Resource {
  /** What clients send as `resource`: an absolute URI without a fragment. */
  indicator: string;
  /** `aud` of its tokens; clients may send it as `audience`. */
  audience?: string;
  /** Scopes that it knows. */
  scopes: string[];
  /** `opaque`: it asks the introspection endpoint. `jwt`: it verifies by itself (RFC 9068), and a revocation reaches it when the token ends or it asks the introspection endpoint. */
  format: 'opaque' | 'jwt';
  /** Lifetime of its tokens. */
  accessSeconds?: number;
}

/** A type of authorization details. Templates are plain text with `{path.to.member}`; what they name must be there, or the request is refused. */
export interface AuthorizationDetailsType {
  /** Its `type`. */
  type: string;
  /** JSON Schema (2020-12) of one object. Members that it does not name are refused, unless it says `additionalProperties` itself. Write amounts as strings. */
  schema: Record<string, unknown>;
  /** The sentence that the person reads, by language. */
  display: Record<string, unknown>;
  /** Template of the amount, which stands out. */
  amount?: string;
  /** Template of its currency. */
  currency?: string;
  /** Template of who gets it. */
  payee?: string;
}

/** An authenticator application; devices are enrolled installations of it. */
export interface Application {
  /** Identifier. */
  id: string;
  /** Shown to users. */
  name: string;
  /** An application that is switched off enrolls and decides nothing. */
  active: boolean;
  /** How its users may prove presence. */
  methods: ('device' | 'pin')[];
  /** A second device of the same user: refused (`single`), takes the place of the first (`override`), or stands beside it (`multiple`). */
  enrollment_mode: 'single' | 'override' | 'multiple';
  /** Six digits that a new device shows are typed elsewhere before it is active. */
  confirm: 'off' | 'code';
  /** A device that the user has says yes to a new one. */
  approve_by_existing_device: 'off' | 'if_any' | 'required';
  /** Whether a platform must vouch for the device's key. */
  attestation: 'off' | 'record' | 'require';
  /** Its PIN. */
  pin: {
    /** Digits. */
    length: number;
    /** Wrong ones in a row before the device is locked. */
    max_failures: number;
    /** Whether the proof of a right PIN is kept, sealed, for a dispute. */
    proof_retention: 'none' | 'sealed';
  };
}

/** A user, as `POST /management/v1/users` takes it. */
export interface SeedUser {
  /** User name. */
  username: string;
  /** Identifier in another system. */
  external_ref?: string;
  /** E-mail address. */
  email?: string;
  /** Phone number in E.164. */
  phone?: string;
  /** Name. */
  name?: string;
  /** Language (BCP 47). */
  language?: string;
}
