/**
 * Tokens of a managed identity, from the platform that this runs on: App Service, Container Apps, a virtual machine
 * (IMDS) or Azure Arc. MSAL detects it by environment variables. Not tested with a real tenant.
 */
import { type AuthenticationResult, LogLevel, ManagedIdentityApplication } from '@azure/msal-node';
import type { ManagedIdentity } from './credential.ts';
import type { Network } from './network.ts';

/** The code of a failure for which the platform gives none. */
export const MANAGED_IDENTITY_UNAVAILABLE = 'managed_identity_unavailable';

export type AcquireToken = (fresh: boolean) => Promise<AuthenticationResult | null>;

/** MSAL keeps one client of the platform for the whole process, with the first network module that it got. */
export function managedIdentityTokens({ credential, scope }: ManagedIdentity, networkClient: Network): AcquireToken {
  const { clientId } = credential;
  const client = new ManagedIdentityApplication({
    ...(clientId !== undefined && { managedIdentityIdParams: { userAssignedClientId: clientId } }),
    system: {
      networkClient,
      // relay365 retries a held mailbox itself.
      disableInternalRetries: true,
      loggerOptions: { logLevel: LogLevel.Error, piiLoggingEnabled: false, loggerCallback: () => {} },
    },
  });
  return (fresh) => client.acquireToken({ resource: scope, forceRefresh: fresh });
}
