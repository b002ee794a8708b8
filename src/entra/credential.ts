/** The credentials that relay365 authenticates to Entra with, and where. */

/** One of the kinds of credentials that the client credentials grant allows. */
export type Credential =
  | { readonly kind: 'secret'; readonly secret: string }
  /** A PEM file with the certificate and its private key. */
  | { readonly kind: 'certificate'; readonly path: string }
  /** Workload identity: a file with a token that the platform renews. */
  | { readonly kind: 'federated'; readonly path: string };

/** The managed identity of the Azure resource that this runs on. Without a client id: the system-assigned one. */
export interface ManagedIdentityCredential {
  readonly kind: 'managed-identity';
  readonly clientId?: string;
}

/** An app registration. */
export interface Registration {
  readonly tenantId: string;
  readonly clientId: string;
  readonly credential: Credential;
  /** `https://login.microsoftonline.com` or a national cloud's. */
  readonly authorityHost: string;
  /** `https://outlook.office365.com/.default` or a national cloud's. */
  readonly scope: string;
}

/** The platform knows the tenant and the authority, and asks Entra itself. */
export interface ManagedIdentity {
  readonly credential: ManagedIdentityCredential;
  readonly scope: string;
}

export type Application = Registration | ManagedIdentity;

export function isManaged(application: Application): application is ManagedIdentity {
  return application.credential.kind === 'managed-identity';
}
