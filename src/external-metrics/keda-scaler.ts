import {
  experimental,
  type handleServerStreamingCall,
  type handleUnaryCall,
  loadPackageDefinition,
  Server,
  ServerCredentials,
  type ServiceClientConstructor,
  type sendUnaryData,
  status,
} from '@grpc/grpc-js';
import { fromJSON } from '@grpc/proto-loader';
import {
  EXTERNAL_SCALER,
  type GetMetricSpecResponse,
  type GetMetricsRequest,
  type GetMetricsResponse,
  type IsActiveResponse,
  type ScaledObjectRef,
} from './external-scaler-contract.ts';
import {
  demandsOf,
  isActive,
  metricSpecs,
  metricValues,
  type ScalerDemand,
  type ScalerQuestion,
  type ScalerReading,
  ScalerRefusal,
  type ScalerTrigger,
  triggerOf,
} from './scaler-answers.ts';

export interface KedaScalerOptions {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** PEM files, read again when they change. None: not encrypted. With `clientCa` the caller needs a certificate. */
  readonly tls?: { readonly cert: string; readonly key: string; readonly clientCa?: string };
  /** From memory where the policy was asked about before. */
  readonly read: (question: ScalerQuestion) => Promise<ScalerReading>;
  /** Of each call that was answered: its method, and `OK` or the status of gRPC. */
  readonly onCall?: (method: string, status: string) => void;
  /** What nobody expected. */
  readonly onError?: (error: unknown) => void;
}

export interface KedaScaler extends AsyncDisposable {
  /** `127.0.0.1:6001` */
  readonly address: string;
  /** Readings may have changed: who listens is told what is new. */
  refresh(): Promise<void>;
}

/** A question is some hundred bytes. */
const MAX_REQUEST_BYTES = 64 * 1024;
const CERTIFICATES_EVERY_MS = 30_000;

/**
 * Serves KEDA's external scaler: each demand of a policy is a metric, whose value is the forecast of its largest value
 * within the lead time, and whose target is what a replica carries. The value of a forecast that may not be acted on is
 * refused with the reason: KEDA then goes by its other triggers, or by the fallback of the ScaledObject.
 */
export async function serveKedaScaler(options: KedaScalerOptions): Promise<KedaScaler> {
  const { read, onCall = () => {}, onError = () => {} } = options;
  const listeners = new Set<() => Promise<void>>();
  const server = new Server({ 'grpc.max_receive_message_length': MAX_REQUEST_BYTES });

  async function ask(ref: ScaledObjectRef): Promise<{ trigger: ScalerTrigger; demands: readonly ScalerDemand[] }> {
    const trigger = triggerOf(ref);
    return { trigger, demands: demandsOf(await read(trigger)) };
  }

  function refusalOf(error: unknown) {
    if (error instanceof ScalerRefusal)
      return { code: status[error.status], details: error.message, name: error.status };
    onError(error);
    return { code: status.INTERNAL, details: 'the program met an error that it did not expect', name: 'INTERNAL' };
  }

  function unary<Q, A>(method: string, answer: (request: Q) => Promise<A>): handleUnaryCall<Q, A> {
    return (call, done: sendUnaryData<A>) => {
      answer(call.request).then(
        (value) => {
          onCall(method, 'OK');
          done(null, value);
        },
        (error: unknown) => {
          const { name, ...refusal } = refusalOf(error);
          onCall(method, name);
          done(refusal);
        },
      );
    };
  }

  /** Sends the answer at once, and again whenever it is another one. A refusal ends the stream: KEDA asks again later. */
  function streaming<A>(
    method: string,
    answer: (request: ScaledObjectRef) => Promise<A>,
  ): handleServerStreamingCall<ScaledObjectRef, A> {
    return (call) => {
      let sent = '';
      const send = async () => {
        try {
          const value = await answer(call.request);
          const text = JSON.stringify(value);
          if (text === sent || !listeners.has(send)) return;
          sent = text;
          onCall(method, 'OK');
          call.write(value);
        } catch (error) {
          if (!listeners.delete(send)) return;
          const { name, ...refusal } = refusalOf(error);
          onCall(method, name);
          call.emit('error', refusal);
        }
      };
      listeners.add(send);
      call.on('cancelled', () => listeners.delete(send));
      call.on('close', () => listeners.delete(send));
      void send();
    };
  }

  const activity = async (ref: ScaledObjectRef): Promise<IsActiveResponse> => {
    const { trigger, demands } = await ask(ref);
    return { result: isActive(trigger, demands) };
  };
  const specs = async (ref: ScaledObjectRef): Promise<GetMetricSpecResponse> => {
    const { trigger, demands } = await ask(ref);
    return metricSpecs(trigger, demands);
  };
  const values = async ({ scaledObjectRef, metricName }: GetMetricsRequest): Promise<GetMetricsResponse> => {
    if (scaledObjectRef === null) throw new ScalerRefusal('INVALID_ARGUMENT', 'the call names no ScaledObject');
    const { trigger, demands } = await ask(scaledObjectRef);
    return metricValues(trigger, metricName, demands);
  };
  server.addService(externalScaler().service, {
    IsActive: unary('IsActive', activity),
    StreamIsActive: streaming('StreamIsActive', activity),
    GetMetricSpec: unary('GetMetricSpec', specs),
    GetMetrics: unary('GetMetrics', values),
    StreamMetricSpec: streaming('StreamMetricSpec', specs),
  });
  const port = await listen(server, options);
  return {
    address: `${hostOf(options)}:${port}`,
    refresh: async () => void (await Promise.all([...listeners].map((send) => send()))),
    async [Symbol.asyncDispose]() {
      // Streams stay open for as long as their callers want: they are ended, not waited for.
      server.forceShutdown();
    },
  };
}

/** The client of the contract, which knows its service too. */
export function externalScaler(): ServiceClientConstructor {
  const definition = fromJSON(EXTERNAL_SCALER as unknown as Parameters<typeof fromJSON>[0], {
    longs: Number,
    defaults: true,
  });
  const { externalscaler } = loadPackageDefinition(definition) as unknown as {
    readonly externalscaler: { readonly ExternalScaler: ServiceClientConstructor };
  };
  return externalscaler.ExternalScaler;
}

async function listen(server: Server, options: KedaScalerOptions): Promise<number> {
  const { credentials, areRead } = credentialsOf(options);
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync(`${hostOf(options)}:${options.port}`, credentials, (error, opened) => {
      if (error === null) resolve(opened);
      else reject(error);
    });
  });
  await areRead();
  return port;
}

function hostOf({ host }: KedaScalerOptions): string {
  return host.includes(':') ? `[${host}]` : host;
}

function credentialsOf({ tls }: KedaScalerOptions) {
  if (tls === undefined) return { credentials: ServerCredentials.createInsecure(), areRead: async () => {} };
  const { FileWatcherCertificateProvider, createCertificateProviderServerCredentials } = experimental;
  const provider = new FileWatcherCertificateProvider({
    certificateFile: tls.cert,
    privateKeyFile: tls.key,
    ...(tls.clientCa !== undefined && { caCertificateFile: tls.clientCa }),
    refreshIntervalMs: CERTIFICATES_EVERY_MS,
  });
  // The first is asked for the own certificate, the second for those of callers: its declared names say the reverse.
  const trusted = tls.clientCa === undefined ? null : provider;
  return {
    credentials: createCertificateProviderServerCredentials(provider, trusted, trusted !== null),
    /** The library reads the files once it listens, and until then ends every connection. */
    areRead: () =>
      new Promise<void>((resolve) => {
        const isRead = () => {
          provider.removeIdentityCertificateListener(isRead);
          // All others that listen are told in the same turn.
          setImmediate(resolve);
        };
        provider.addIdentityCertificateListener(isRead);
      }),
  };
}
