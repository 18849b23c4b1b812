import type { Millis } from '../model/time.ts';
import { answerRequest, type Outcome } from './answer.ts';
import { reconcileApiService, type ServiceName } from './api-service.ts';
import { openAuthentication } from './authenticate.ts';
import { openAuthorization } from './authorize.ts';
import { type AskKubernetes, messageOf } from './kubernetes.ts';
import type { MetricsBoard } from './metrics-board.ts';
import { serveTls } from './serve-tls.ts';
import type { CertificateSource, ServingCertificate } from './serving-certificate.ts';
import { failure } from './status.ts';
import { parseTrust, TRUST_PATH, type Trust } from './trust.ts';
import type { Upstream } from './upstream.ts';

export interface ExternalMetricsDeps {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  readonly now: () => Millis;
  readonly ask: AskKubernetes;
  readonly board: Pick<MetricsBoard, 'select'>;
  readonly certificates: CertificateSource;
  /** Undefined where the APIService is somebody else's to keep. */
  readonly apiService: ServiceName | undefined;
  readonly upstream: Upstream | undefined;
  readonly telemetry: ExternalMetricsTelemetry;
}

export interface ExternalMetricsTelemetry {
  /** `seconds`: from the request, once it was read, to its answer, once it was written. */
  onAnswer(outcome: Outcome, seconds: number): void;
  /** A request ended in an error that nobody foresaw. */
  onError(error: unknown): void;
  /** The part that is `what` could not be refreshed, or can again, where the problem is undefined. Said when it changes. */
  onProblem(what: Refreshed, problem: string | undefined): void;
  onFailure(what: Refreshed): void;
  onCertificate(expiresAt: Millis): void;
}

export type Refreshed = 'trust' | 'certificate' | 'api_service' | 'upstream';

export interface ExternalMetricsServer extends AsyncDisposable {
  /** `https://127.0.0.1:8443` */
  readonly url: string;
  readonly port: number;
  /**
   * Reads anew what may have changed: whom to believe, the certificate, the APIService, and what the other adapter has.
   * A part that fails leaves the others, and itself as it was.
   */
  refresh(): Promise<void>;
  /** What is wrong now, a sentence each. */
  problems(): readonly string[];
}

const NO_TRUST: Trust = { clients: [], frontProxy: undefined, version: '' };

/**
 * Opens the server of `external.metrics.k8s.io`. It answers from memory; nobody is believed before `refresh` was called.
 *
 * @throws {CertificateError} If there is no certificate to present.
 * @throws {NodeJS.ErrnoException} If the address cannot be taken.
 */
export async function openExternalMetrics(deps: ExternalMetricsDeps): Promise<ExternalMetricsServer> {
  const { ask, now, telemetry, upstream, apiService } = deps;
  let trust = NO_TRUST;
  const problems = new Map<Refreshed, string>();
  const authenticate = openAuthentication({ trust: () => trust, ask, now });
  const refusalOf = openAuthorization({ ask, now });
  const notReady = () =>
    trust === NO_TRUST ? 'nobody can be authenticated yet: the Kubernetes API does not answer' : undefined;

  const answerDeps = { board: deps.board, authenticate, refusalOf, notReady, upstream };
  let certificate = await deps.certificates(now());
  telemetry.onCertificate(certificate.expiresAt);
  const server = await serveTls({
    host: deps.host,
    port: deps.port,
    certificate,
    async handle(request, write) {
      const began = performance.now();
      const { outcome, answer } = await answerRequest(request, answerDeps).catch((error: unknown) => {
        telemetry.onError(error);
        const unforeseen = failure('InternalError', 'the server met an error that it did not foresee');
        return { outcome: 'unavailable', answer: unforeseen } as const;
      });
      write(answer);
      telemetry.onAnswer(outcome, (performance.now() - began) / 1000);
    },
  });

  function tell(what: Refreshed, problem: string | undefined): void {
    if (problems.get(what) === problem) return;
    if (problem === undefined) problems.delete(what);
    else problems.set(what, problem);
    telemetry.onProblem(what, problem);
  }

  async function attempt(what: Refreshed, action: () => Promise<string | undefined>): Promise<void> {
    try {
      tell(what, await action());
    } catch (error) {
      telemetry.onFailure(what);
      tell(what, (error as Error).message);
    }
  }

  async function refreshTrust(): Promise<undefined> {
    const answer = await ask({ method: 'GET', path: TRUST_PATH });
    if (answer.status !== 200) {
      throw new Error(
        `cannot read whom the API server vouches for (extension-apiserver-authentication): ${messageOf(answer)}`,
      );
    }
    const read = parseTrust(answer.body);
    if (read.version !== trust.version) trust = read;
  }

  /** @returns Whether the certificate may be presented: whoever meets it has to believe its authority by then. */
  async function refreshApiService(next: ServingCertificate, service: ServiceName): Promise<boolean> {
    let believed = next.authority === certificate.authority || certificate.expiresAt <= now();
    await attempt('api_service', async () => {
      const state = await reconcileApiService({ ask, service, authority: next.authority, now: now() });
      // A bundle that was written just now is not everywhere yet: the next pass presents what it is for.
      if (state.kind !== 'ours' || state.done === 'nothing') believed = true;
      return state.kind === 'ours' ? undefined : state.message;
    });
    return believed;
  }

  async function refreshCertificate(): Promise<void> {
    let next = certificate;
    await attempt('certificate', async () => {
      next = await deps.certificates(now());
      return undefined;
    });
    const believed = apiService === undefined || (await refreshApiService(next, apiService));
    if (!believed || (next.cert === certificate.cert && next.key === certificate.key)) return;
    await attempt('certificate', async () => {
      server.present(next);
      telemetry.onCertificate(next.expiresAt);
      certificate = next;
      return undefined;
    });
  }

  async function refresh(): Promise<void> {
    await attempt('trust', refreshTrust);
    await refreshCertificate();
    if (upstream !== undefined) {
      await attempt('upstream', async () => {
        await upstream.refresh();
        return undefined;
      });
    }
  }

  return {
    url: server.url,
    port: server.port,
    refresh,
    problems: () => [...problems.values()],
    async [Symbol.asyncDispose]() {
      await server.close();
      upstream?.close();
    },
  };
}
