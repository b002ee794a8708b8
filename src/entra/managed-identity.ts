/**
 * Tokens of a managed identity, from the platform that this runs on: App Service, Container Apps, a virtual machine
 * (IMDS), Azure Arc. MSAL knows which by their variables. Not tried against a tenant.
 */
import { type AuthenticationResult, LogLevel, ManagedIdentityApplication } from '@azure/msal-node';
import type { ManagedIdentity } from './credential.ts';
import type { Network } from './network.ts';

/** The code of a failure for which the platform names none. */
export const MANAGED_IDENTITY_UNAVAILABLE = 'managed_identity_unavailable';

export type AcquireToken = (fresh: boolean) => Promise<AuthenticationResult | null>;

/** MSAL keeps one way to the platform for the whole process, with the first network that it was given. */
export function managedIdentityTokens({ credential, scope }: ManagedIdentity, networkClient: Network): AcquireToken {
  const { clientId } = credential;
  const client = new ManagedIdentityApplication({
    ...(clientId !== undefined && { managedIdentityIdParams: { userAssignedClientId: clientId } }),
    system: {
      networkClient,
      // A held mailbox is tried again by relay365's own pauses.
      disableInternalRetries: true,
      loggerOptions: { logLevel: LogLevel.Error, piiLoggingEnabled: false, loggerCallback: () => {} },
    },
  });
  return (fresh) => client.acquireToken({ resource: scope, forceRefresh: fresh });
}
