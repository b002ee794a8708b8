/** Checks a login as Exchange does: the token or the password, then what the tenant and the mailbox allow. */
import type { TokenCheck } from './entra-tokens.ts';
import type { Mailbox } from './mailbox.ts';
import type { LoginRefusal } from './replies.ts';

export type Credentials =
  | { readonly kind: 'token'; readonly user: string; readonly token: string }
  | { readonly kind: 'password'; readonly user: string; readonly password: string };

/** Whether logins with a password are allowed. Each refusal has its own text. */
export type PasswordLogin = 'allowed' | 'basicDisabled' | 'securityDefaults' | 'criteria' | 'basicRetired';

export interface TenantSettings {
  /** As in Set-TransportConfig. A mailbox can have its own setting. */
  readonly smtpAuthDisabled: boolean;
  readonly passwordLogin: PasswordLogin;
}

export const DEFAULT_TENANT: TenantSettings = { smtpAuthDisabled: false, passwordLogin: 'allowed' };

export type LoginCheck =
  | { readonly kind: 'granted'; readonly mailbox: Mailbox }
  | { readonly kind: 'refused'; readonly refusal: LoginRefusal };

export interface LoginContext {
  /** Undefined if there is no such mailbox. */
  readonly mailbox: Mailbox | undefined;
  readonly tenantId: string;
  readonly tenant: TenantSettings;
  readonly verifyToken: (token: string) => Promise<TokenCheck>;
}

/** The audience of Exchange in each cloud. A token for Graph is a common mistake. */
const AUDIENCES = [
  'https://outlook.office365.com',
  'https://outlook.office.com',
  'https://outlook.office365.us',
  'https://outlook-dod.office365.us',
  'https://partner.outlook.cn',
];
const ROLE = 'SMTP.SendAsApp';

/** Whether these credentials open this mailbox. */
export async function checkLogin(credentials: Credentials, context: LoginContext): Promise<LoginCheck> {
  const { mailbox } = context;
  const refusal =
    (credentials.kind === 'token'
      ? await refusalOfToken(credentials.token, context)
      : refusalOfPassword(credentials.password, context)) ?? refusalOfMailbox(context);
  if (refusal !== undefined || !mailbox) return { kind: 'refused', refusal: refusal ?? 'unsuccessful' };
  return { kind: 'granted', mailbox };
}

/** Exchange has one text for every fault of a token, and does not say which one it is. */
async function refusalOfToken(
  token: string,
  { mailbox, tenantId, verifyToken }: LoginContext,
): Promise<LoginRefusal | undefined> {
  const check = await verifyToken(token);
  if (check.kind === 'invalid' || !mailbox) return 'unsuccessful';
  const { aud, roles, tid, appid } = check.claims;
  const isForExchange = AUDIENCES.includes(aud) && roles.includes(ROLE);
  const mayOpen = tid === tenantId && (mailbox.options.apps?.includes(appid) ?? true);
  return isForExchange && mayOpen ? undefined : 'unsuccessful';
}

function refusalOfPassword(password: string, { mailbox, tenant }: LoginContext): LoginRefusal | undefined {
  if (tenant.passwordLogin !== 'allowed') return tenant.passwordLogin;
  const correct = mailbox?.options.password;
  return correct !== undefined && correct === password ? undefined : 'wrongPassword';
}

function refusalOfMailbox({ mailbox, tenant }: LoginContext): LoginRefusal | undefined {
  const own = mailbox?.options.smtpAuthDisabled;
  if (own ?? tenant.smtpAuthDisabled) return own === undefined ? 'tenantDisabled' : 'mailboxDisabled';
  return mailbox?.options.licensed === false ? 'noMailbox' : undefined;
}
