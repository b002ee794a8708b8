/**
 * Microsoft's clouds: where each takes mail, gives tokens, and for which scope.
 * Source: national clouds' endpoints on Microsoft Learn. The DoD row is plausible and not verified.
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
