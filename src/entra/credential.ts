/** What an application proves itself to Entra with, and where. */

/** Exactly one of the ways that client credentials allow. */
export type Credential =
  | { readonly kind: 'secret'; readonly secret: string }
  /** A PEM file with the certificate and its private key. */
  | { readonly kind: 'certificate'; readonly path: string }
  /** Workload identity: a file with a token that the platform renews. */
  | { readonly kind: 'federated'; readonly path: string };

export interface Application {
  readonly tenantId: string;
  readonly clientId: string;
  readonly credential: Credential;
  /** `https://login.microsoftonline.com` or a national cloud's. */
  readonly authorityHost: string;
  /** `https://outlook.office365.com/.default` or a national cloud's. */
  readonly scope: string;
}
