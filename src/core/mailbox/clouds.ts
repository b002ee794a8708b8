/**
 * Microsoft's clouds: the host that accepts mail, the host that issues tokens, and the scope of a token.
 * Source: endpoints of the national clouds on Microsoft Learn. The DoD row is plausible, but not verified.
 */

export interface Cloud {
  readonly smtpHost: string;
  readonly authorityHost: string;
  readonly scope: string;
}

export const CLOUDS = {
  global: {
    smtpHost: 'smtp.office365.com',
    authorityHost: 'https://login.microsoftonline.com',
    scope: 'https://outlook.office365.com/.default',
  },
  usgov: {
    smtpHost: 'smtp.office365.us',
    authorityHost: 'https://login.microsoftonline.us',
    scope: 'https://outlook.office365.us/.default',
  },
  dod: {
    smtpHost: 'smtp-dod.office365.us',
    authorityHost: 'https://login.microsoftonline.us',
    scope: 'https://outlook-dod.office365.us/.default',
  },
  china: {
    smtpHost: 'smtp.partner.outlook.cn',
    authorityHost: 'https://login.partner.microsoftonline.cn',
    scope: 'https://partner.outlook.cn/.default',
  },
} as const satisfies Readonly<Record<string, Cloud>>;

export type CloudName = keyof typeof CLOUDS;
