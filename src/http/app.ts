/**
 * The HTTP application, put together and not yet listening. Promises: every answer carries an X-Request-Id, every
 * refusal is a problem document, and requests in progress when the app closes are answered.
 */
import type { Server } from 'node:http';
import Fastify, {
  type FastifyBaseLogger,
  type FastifyHttpOptions,
  type FastifyInstance,
  type FastifyRequest,
  type HTTPMethods,
  LogController,
} from 'fastify';
import type { ApiKey } from '../core/submit/api-key.ts';
import type { KeyGuard } from '../core/submit/key-guard.ts';
import type { CountRequest } from '../core/submit/request-rate.ts';
import { answerClientError, answerError } from './errors.ts';
import { closeGracefully, logAnswers, makeRequestId, refuseOtherMethods, setHeaders } from './hooks.ts';
import { readJsonBodies } from './json.ts';
import { requireKey } from './keys.ts';
import { describeApi } from './openapi.ts';
import { sendProblem } from './problems.ts';
import { limitReceiving, RECEIVING_LIMITS, type ReceivingLimits } from './inflight-limit.ts';
import { batchRoute } from './routes/batch.ts';
import { docsRoutes } from './routes/docs.ts';
import { type HealthDependencies, healthRoutes } from './routes/health.ts';
import { type MailboxDependencies, mailboxRoutes } from './routes/mailboxes.ts';
import { type MessageDependencies, messageRoutes } from './routes/messages.ts';
import { type MetricsDependencies, metricsRoute } from './routes/metrics.ts';
import { type SandboxMessages, sandboxRoutes } from './routes/sandbox.ts';
import { type SendDependencies, sendRoute } from './routes/send.ts';
import { compileShape } from './schema-check.ts';
import { compileSerializer } from './serializers.ts';

export type { SandboxMessages };

export interface AppDependencies
  extends SendDependencies,
    MessageDependencies,
    MailboxDependencies,
    MetricsDependencies,
    HealthDependencies {
  /** Without keys, only this machine is served. */
  readonly keys: () => readonly ApiKey[];
  readonly guard: KeyGuard;
  readonly countRequest: CountRequest;
  readonly sandbox?: SandboxMessages;
  readonly logger: FastifyBaseLogger;
  /** Of relay365, for the documentation. */
  readonly version: string;
  /** Proxies whose `X-Forwarded-*` headers are trusted, as Fastify takes it; default: none. */
  readonly trustProxy?: NonNullable<FastifyHttpOptions<Server>['trustProxy']>;
  readonly timeouts?: Partial<Timeouts>;
  readonly receiving?: Partial<ReceivingLimits>;
}

/** How slow a client may be, in milliseconds. */
export interface Timeouts {
  /** For the request's headers. */
  readonly headersMs: number;
  /** For the whole request: 53 MB of JSON need a line of 1.5 Mbit/s. */
  readonly requestMs: number;
  /** Without a byte in either direction. */
  readonly silenceMs: number;
  /** Between requests: longer than the 60 s that common load balancers keep a connection. */
  readonly keepAliveMs: number;
  /** How often they are checked. */
  readonly checkMs: number;
  /** For requests in progress when the app closes. */
  readonly closeMs: number;
}

const TIMEOUTS: Timeouts = {
  headersMs: 20_000,
  requestMs: 300_000,
  silenceMs: 120_000,
  keepAliveMs: 72_000,
  checkMs: 5_000,
  closeMs: 10_000,
};

export function buildApp(dependencies: AppDependencies): FastifyInstance {
  const { logger, version, trustProxy = false } = dependencies;
  const timeouts = { ...TIMEOUTS, ...dependencies.timeouts };
  const app = Fastify({ ...serverOptions(timeouts), loggerInstance: logger, trustProxy });
  app.setValidatorCompiler(compileShape);
  app.setSerializerCompiler(compileSerializer);
  app.setErrorHandler(answerError);
  app.setNotFoundHandler((request, reply) =>
    sendProblem(request, reply, 'not-found', { detail: notFoundDetail(request) }),
  );
  setHeaders(app);
  logAnswers(app);
  closeGracefully(app, timeouts.closeMs);
  readJsonBodies(app);
  describeApi(app, version);
  const refuseMethods = refuseOtherMethods(app);
  inContext(app, (open) => healthRoutes(open, dependencies));
  inContext(app, (guarded) => addGuardedRoutes(guarded, dependencies));
  inContext(app, docsRoutes);
  app.after(refuseMethods);
  return app;
}

/** The routes that need a key. */
function addGuardedRoutes(app: FastifyInstance, dependencies: AppDependencies): void {
  requireKey(app, dependencies);
  limitReceiving(app, { ...RECEIVING_LIMITS, ...dependencies.receiving });
  // In a context of its own, so that the documentation begins with POST /send.
  inContext(app, (sending) => sendRoute(sending, dependencies));
  inContext(app, (others) => {
    batchRoute(others, dependencies);
    messageRoutes(others, dependencies);
    mailboxRoutes(others, dependencies);
    metricsRoute(others, dependencies);
    sandboxRoutes(others, dependencies.sandbox);
  });
}

/** Adds routes whose hooks and parsers the other routes do not have. */
function inContext(app: FastifyInstance, add: (context: FastifyInstance) => void): void {
  app.register((context, _options, done) => {
    add(context);
    done();
  });
}

function notFoundDetail({ server, url }: FastifyRequest): string {
  const [, path] = /^([^?]+)\/(?:\?|$)/.exec(url) ?? [];
  const isOther =
    path !== undefined &&
    server.supportedMethods.some((method) => server.hasRoute({ method: method as HTTPMethods, url: path }));
  return isOther ? `Did you mean ${path}, without the trailing slash?` : 'See /docs for all URLs.';
}

function serverOptions(timeouts: Timeouts): FastifyHttpOptions<Server> {
  return {
    genReqId: makeRequestId,
    logController: new LogController({ disableRequestLogging: true, requestIdLogLabel: 'requestId' }),
    frameworkErrors: answerError,
    clientErrorHandler: answerClientError,
    // closeGracefully says it as a problem.
    return503OnClosing: false,
    requestTimeout: timeouts.requestMs,
    connectionTimeout: timeouts.silenceMs,
    keepAliveTimeout: timeouts.keepAliveMs,
    http: {
      headersTimeout: timeouts.headersMs,
      connectionsCheckingInterval: timeouts.checkMs,
      // Node's own answer has no body and no X-Request-Id: setHeaders refuses it.
      requireHostHeader: false,
    },
    onProtoPoisoning: 'error',
    onConstructorPoisoning: 'error',
  };
}
