/** A warning about the end of logins by password. Source: Microsoft's schedule of 27 January 2026. */
export const PASSWORDS_END = {
  explanation:
    'Microsoft turns password login for SMTP off by default at the end of December 2026 and will name the final date in the second half of 2027.',
  fix: 'Set AZURE_TENANT_ID, AZURE_CLIENT_ID and a credential, and remove SMTP_PASSWORD: see docs/connect-your-tenant.md.',
} as const;
