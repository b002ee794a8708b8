/** The simulated directory: tenants, and their app registrations with credentials and consents. */

export interface ClientSecret {
  readonly value: string;
  readonly expired?: boolean;
}

/** A federated credential: an issuer whose tokens authenticate the app. */
export interface FederatedCredential {
  readonly issuer: string;
  readonly subject: string;
  readonly audience?: string;
  /** PEM of the issuer's public key. Without it, the signature is not checked. */
  readonly publicKey?: string;
}

export interface AppOptions {
  readonly tenantId: string;
  readonly clientId: string;
  readonly secrets?: readonly (string | ClientSecret)[];
  /** PEM of each registered certificate or public key. */
  readonly certificates?: readonly string[];
  readonly federated?: readonly FederatedCredential[];
  /** Application permissions with admin consent; default `SMTP.SendAsApp`. */
  readonly roles?: readonly string[];
}

export type App = Required<AppOptions>;
export type AppPatch = Partial<Omit<AppOptions, 'tenantId' | 'clientId'>>;

export class EntraDirectory {
  readonly #apps = new Map<string, App>();
  readonly #tenants = new Set<string>();

  addTenant(tenantId: string): void {
    this.#tenants.add(tenantId.toLowerCase());
  }

  /** Registers an app, and its tenant if it is new. */
  addApp(options: AppOptions): void {
    this.addTenant(options.tenantId);
    const app = { secrets: [], certificates: [], federated: [], roles: ['SMTP.SendAsApp'], ...options };
    this.#apps.set(appKey(options.tenantId, options.clientId), app);
  }

  /** Changes an app in all its tenants. */
  setApp(clientId: string, patch: AppPatch): void {
    for (const app of this.#apps.values()) {
      if (app.clientId === clientId) this.addApp({ ...app, ...patch });
    }
  }

  removeApp(clientId: string): void {
    for (const [key, app] of this.#apps) if (app.clientId === clientId) this.#apps.delete(key);
  }

  hasTenant(tenantId: string): boolean {
    return this.#tenants.has(tenantId.toLowerCase());
  }

  findApp(tenantId: string, clientId: string): App | undefined {
    return this.#apps.get(appKey(tenantId, clientId));
  }
}

function appKey(tenantId: string, clientId: string): string {
  return `${tenantId}/${clientId}`.toLowerCase();
}
