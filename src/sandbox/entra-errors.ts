/**
 * Entra's errors in its own words. The texts are from Microsoft's "Microsoft Entra authentication and authorization error
 * codes" and from public transcripts. Those of `throttled` and `unavailable` are plausible, but not verified.
 */
import { randomUUID } from 'node:crypto';

/** The values in an error's text. */
export interface EntraErrorSubject {
  readonly tenantId: string;
  readonly clientId: string;
  readonly scope: string;
  /** The variable part of a text: thumbprint, time range, subject. */
  readonly detail?: string;
}

interface EntraErrorKind {
  readonly code: number;
  readonly status: number;
  readonly error: string;
  readonly text: (subject: EntraErrorSubject) => string;
}

const ASSERTION_DOCS = 'https://learn.microsoft.com/entra/identity-platform/certificate-credentials';
const KEYS_DOCS = 'https://docs.microsoft.com/en-us/graph/deployments';
const NOT_INSTALLED =
  'This can happen if the application has not been installed by the administrator of the tenant or consented to by any user in the tenant.';

/** Every error of the simulator, by its name in scripts and in the simulator's code. */
export const ENTRA_ERRORS = {
  wrongSecret: {
    code: 7000215,
    status: 401,
    error: 'invalid_client',
    text: ({ clientId }) =>
      `Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to app '${clientId}'.`,
  },
  expiredSecret: {
    code: 7000222,
    status: 401,
    error: 'invalid_client',
    text: ({ clientId }) =>
      `The provided client secret keys for app '${clientId}' are expired. Visit the Azure portal to create new keys for your app: https://aka.ms/NewClientSecret, or consider using certificate credentials for added security: https://aka.ms/certCreds.`,
  },
  missingCredential: {
    code: 7000218,
    status: 401,
    error: 'invalid_client',
    text: () => "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.",
  },
  unknownApp: {
    code: 700016,
    status: 400,
    error: 'unauthorized_client',
    text: ({ clientId, tenantId }) =>
      `Application with identifier '${clientId}' was not found in the directory '${tenantId}'. ${NOT_INSTALLED} You may have sent your authentication request to the wrong tenant.`,
  },
  unknownTenant: {
    code: 90002,
    status: 400,
    error: 'invalid_request',
    text: ({ tenantId }) =>
      `Tenant '${tenantId}' not found. Check to make sure you have the correct tenant ID and are signing into the correct cloud. Check with your subscription administrator, this may happen if there are no active subscriptions for the tenant.`,
  },
  wrongAssertion: {
    code: 700027,
    status: 401,
    error: 'invalid_client',
    text: ({ clientId, detail = 'The key was not found.' }) =>
      `The certificate with identifier used to sign the client assertion is not registered on application. [Reason - ${detail}, Please visit the Azure Portal, Graph Explorer or directly use MS Graph to see configured keys for app Id '${clientId}'. Review the documentation at ${KEYS_DOCS} to determine the corresponding service endpoint and https://docs.microsoft.com/en-us/graph/api/application-get?view=graph-rest-1.0&tabs=http to build a query request URL, such as 'https://graph.microsoft.com/beta/applications/${clientId}'].`,
  },
  assertionAudience: {
    code: 700023,
    status: 401,
    error: 'invalid_client',
    text: () =>
      `Client assertion audience claim does not match Realm issuer. Review the documentation at ${ASSERTION_DOCS} .`,
  },
  assertionTime: {
    code: 700024,
    status: 401,
    error: 'invalid_client',
    text: ({ detail = '' }) =>
      `Client assertion is not within its valid time range. ${detail} Review the documentation at ${ASSERTION_DOCS} .`,
  },
  noFederation: {
    code: 700213,
    status: 401,
    error: 'invalid_client',
    text: ({ detail = '' }) =>
      `No matching federated identity record found for presented assertion subject '${detail}'. Check your federated identity credential Subject, Audience and Issuer against the presented assertion. https://learn.microsoft.com/entra/workload-id/workload-identity-federation`,
  },
  invalidScope: {
    code: 70011,
    status: 400,
    error: 'invalid_scope',
    text: ({ scope }) =>
      `The provided request must include a 'scope' input parameter. The provided value for the input parameter 'scope' is not valid. The scope ${scope} is not valid.`,
  },
  scopeWithoutDefault: {
    code: 1002012,
    status: 400,
    error: 'invalid_scope',
    text: ({ scope }) =>
      `The provided value for scope ${scope} is not valid. Client credential flows must have a scope value with /.default suffixed to the resource identifier (application ID URI).`,
  },
  unknownResource: {
    code: 500011,
    status: 400,
    error: 'invalid_resource',
    text: ({ scope, tenantId }) =>
      `The resource principal named ${scope.replace(/\/\.default$/, '')} was not found in the tenant named ${tenantId}. ${NOT_INSTALLED} You might have sent your authentication request to the wrong tenant.`,
  },
  conditionalAccess: {
    code: 53003,
    status: 400,
    error: 'invalid_grant',
    text: () =>
      'Access has been blocked by Conditional Access policies. The access policy does not allow token issuance.',
  },
  unknownUser: {
    code: 50034,
    status: 400,
    error: 'invalid_grant',
    text: ({ tenantId }) =>
      `The user account {EUII Hidden} does not exist in the ${tenantId} directory. To sign into this application, the account must be added to the directory.`,
  },
  unsupportedGrant: {
    code: 70003,
    status: 400,
    error: 'unsupported_grant_type',
    text: ({ detail = '' }) => `The app requested an unsupported grant type '${detail}'.`,
  },
  throttled: {
    code: 90055,
    status: 429,
    error: 'temporarily_unavailable',
    text: () => 'The request was throttled due to excessive request rate. Please retry later.',
  },
  unavailable: {
    code: 90033,
    status: 503,
    error: 'temporarily_unavailable',
    text: () => 'A transient error has occurred. Please try again.',
  },
} as const satisfies Record<string, EntraErrorKind>;

export type EntraErrorName = keyof typeof ENTRA_ERRORS;

export interface EntraErrorResponse {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
}

/** The HTTP status and the JSON that Entra answers with. */
export function entraError(
  name: EntraErrorName,
  subject: EntraErrorSubject,
  correlationId: string,
): EntraErrorResponse {
  const kind: EntraErrorKind = ENTRA_ERRORS[name];
  const traceId = randomUUID();
  const timestamp = `${new Date().toISOString().slice(0, 19).replace('T', ' ')}Z`;
  const trailer = `Trace ID: ${traceId} Correlation ID: ${correlationId} Timestamp: ${timestamp}`;
  return {
    status: kind.status,
    body: {
      error: kind.error,
      error_description: `AADSTS${kind.code}: ${kind.text(subject)} ${trailer}`,
      error_codes: [kind.code],
      timestamp,
      trace_id: traceId,
      correlation_id: correlationId,
      error_uri: `https://login.microsoftonline.com/error?code=${kind.code}`,
    },
  };
}
