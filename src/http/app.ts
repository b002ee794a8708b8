/**
 * The HTTP application, put together and not yet listening. Promises: every answer carries an X-Request-Id, every
 * refusal is a problem document, and what is under way when the app closes is answered.
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
import type { CountRequest } from '../core/submit/request-rate.ts';
import { logAnswers } from './access-log.ts';
import { closeGracefully } from './graceful-shutdown.ts';
import { makeRequestId, setHeaders } from './headers.ts';
import { answerClientError, answerError } from './errors.ts';
import { readJsonBodies } from './json.ts';
import { requireKey } from './keys.ts';
import { refuseOtherMethods } from './methods.ts';
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
  /** Without any, only this machine is served. */
  readonly keys: () => readonly ApiKey[];
  readonly countRequest: CountRequest;
  readonly sandbox?: SandboxMessages;
  readonly logger: FastifyBaseLogger;
  /** Of relay365, for the documentation. */
  readonly version: string;
  /** Whose `X-Forwarded-*` headers are believed, as Fastify takes it; default: nobody's. */
  readonly trustProxy?: NonNullable<FastifyHttpOptions<Server>['trustProxy']>;
  readonly timeouts?: Partial<Timeouts>;
  readonly receiving?: Partial<ReceivingLimits>;
}

/** What a slow client gets, in milliseconds. */
export interface Timeouts {
  /** For the request's headers. */
  readonly headersMs: number;
  /** For the whole request: 35 MB as JSON need a line of 1.3 Mbit/s. */
  readonly requestMs: number;
  /** Without a byte in either direction. */
  readonly silenceMs: number;
  /** Between requests: longer than the 60 s that common load balancers keep a connection. */
  readonly keepAliveMs: number;
  /** How often they are checked. */
  readonly checkMs: number;
  /** For what is under way when the app closes. */
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

export function buildApp({
  keys,
  countRequest,
  sandbox,
  logger,
  version,
  trustProxy = false,
  ...dependencies
}: AppDependencies): FastifyInstance {
  const timeouts = { ...TIMEOUTS, ...dependencies.timeouts };
  const app = Fastify({ ...serverOptions(timeouts), loggerInstance: logger, trustProxy });
  app.setValidatorCompiler(compileShape);
  app.setSerializerCompiler(compileSerializer);
  app.setErrorHandler(answerError);
  app.setNotFoundHandler((request, reply) =>
    sendProblem(request, reply, 'not-found', { detail: whatThereIs(request) }),
  );
  setHeaders(app);
  logAnswers(app);
  closeGracefully(app, timeouts.closeMs);
  readJsonBodies(app);
  describeApi(app, version);
  const refuseMethods = refuseOtherMethods(app);
  app.register((open, _options, done) => {
    healthRoutes(open, dependencies);
    done();
  });
  app.register((guarded, _options, done) => {
    requireKey(guarded, keys, countRequest);
    limitReceiving(guarded, { ...RECEIVING_LIMITS, ...dependencies.receiving });
    guarded.register((sending, _inner, ready) => {
      sendRoute(sending, dependencies);
      ready();
    });
    // In a context of their own, for the documentation to begin with POST /send.
    guarded.register((others, _inner, ready) => {
      batchRoute(others, dependencies);
      messageRoutes(others, dependencies);
      mailboxRoutes(others, dependencies);
      metricsRoute(others, dependencies);
      sandboxRoutes(others, sandbox);
      ready();
    });
    done();
  });
  app.register((open, _options, done) => {
    docsRoutes(open);
    done();
  });
  app.after(refuseMethods);
  return app;
}

function whatThereIs({ server, url }: FastifyRequest): string {
  const [, path] = /^([^?]+)\/(?:\?|$)/.exec(url) ?? [];
  const isOther =
    path !== undefined &&
    server.supportedMethods.some((method) => server.hasRoute({ method: method as HTTPMethods, url: path }));
  return isOther ? `There is ${path}, without the slash at its end.` : 'See /docs for what there is.';
}

function serverOptions(timeouts: Timeouts): FastifyHttpOptions<Server> {
  return {
    genReqId: makeRequestId,
    logController: new LogController({ disableRequestLogging: true, requestIdLogLabel: 'requestId' }),
    frameworkErrors: answerError,
    clientErrorHandler: answerClientError,
    // Ours says it as a problem: see closing.ts.
    return503OnClosing: false,
    requestTimeout: timeouts.requestMs,
    connectionTimeout: timeouts.silenceMs,
    keepAliveTimeout: timeouts.keepAliveMs,
    http: {
      headersTimeout: timeouts.headersMs,
      connectionsCheckingInterval: timeouts.checkMs,
      // Node's own answer has no body and no X-Request-Id: see every-answer.ts.
      requireHostHeader: false,
    },
    onProtoPoisoning: 'error',
    onConstructorPoisoning: 'error',
  };
}
