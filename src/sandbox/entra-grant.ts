/** Checks a token request of the client credentials flow, in the same order as Entra. */
import { checkAssertion, type CredentialCheck } from './entra-assertion.ts';
import type { App, EntraDirectory } from './entra-directory.ts';
import type { EntraErrorName } from './entra-errors.ts';

export interface TokenRequest {
  readonly tenantId: string;
  /** `https://localhost:PORT/TENANT`, for the assertion's audience. */
  readonly authority: string;
  readonly form: URLSearchParams;
  readonly nowSeconds: number;
}

export type GrantCheck =
  | { readonly kind: 'granted'; readonly app: App; readonly audience: string }
  | { readonly kind: 'refused'; readonly error: EntraErrorName; readonly detail?: string };

/** Resources that are requested with `/.default`: Exchange in each cloud, and Graph, which is a common mistake. */
const RESOURCES = [
  'https://outlook.office365.com',
  'https://outlook.office.com',
  'https://outlook.office365.us',
  'https://outlook-dod.office365.us',
  'https://partner.outlook.cn',
  'https://graph.microsoft.com',
];

/** Whether Entra issues this client a token, and for which audience. */
export async function checkTokenRequest(request: TokenRequest, directory: EntraDirectory): Promise<GrantCheck> {
  const { form, tenantId } = request;
  const grantType = form.get('grant_type') ?? '';
  if (grantType !== 'client_credentials') return { kind: 'refused', error: 'unsupportedGrant', detail: grantType };
  if (!directory.hasTenant(tenantId)) return { kind: 'refused', error: 'unknownTenant' };
  const app = directory.findApp(tenantId, form.get('client_id') ?? '');
  if (!app) return { kind: 'refused', error: 'unknownApp' };
  const scope = checkScope(form.get('scope') ?? '');
  if (scope.kind === 'refused') return scope;
  const credential = await checkCredential(request, app);
  return credential.kind === 'refused' ? credential : { kind: 'granted', app, audience: scope.audience };
}

type ScopeCheck =
  | { readonly kind: 'known'; readonly audience: string }
  | { readonly kind: 'refused'; readonly error: EntraErrorName };

/** MSAL adds `openid profile offline_access` to some requests. Entra ignores them in this flow. */
function checkScope(value: string): ScopeCheck {
  const scopes = value.split(' ').filter((scope) => scope !== '' && !/^(openid|profile|offline_access)$/.test(scope));
  const [scope, ...more] = scopes;
  if (scope === undefined || more.length > 0) return { kind: 'refused', error: 'invalidScope' };
  if (!scope.endsWith('/.default')) return { kind: 'refused', error: 'scopeWithoutDefault' };
  const audience = scope.slice(0, -'/.default'.length).replace(/\/$/, '');
  return RESOURCES.includes(audience) ? { kind: 'known', audience } : { kind: 'refused', error: 'unknownResource' };
}

async function checkCredential({ form, authority, nowSeconds }: TokenRequest, app: App): Promise<CredentialCheck> {
  const assertion = form.get('client_assertion');
  if (assertion !== null) return checkAssertion(assertion, { app, authority, nowSeconds });
  const secret = form.get('client_secret');
  return secret === null ? { kind: 'refused', error: 'missingCredential' } : checkSecret(secret, app);
}

function checkSecret(secret: string, app: App): CredentialCheck {
  const secrets = app.secrets.map((entry) => (typeof entry === 'string' ? { value: entry, expired: false } : entry));
  const matching = secrets.find(({ value }) => value === secret);
  if (!matching) return { kind: 'refused', error: 'wrongSecret' };
  return matching.expired ? { kind: 'refused', error: 'expiredSecret' } : { kind: 'valid' };
}
