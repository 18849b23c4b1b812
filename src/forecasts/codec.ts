import type { Forecast, LiveAccuracy, LiveHorizon } from '../model/forecast.ts';

/** The first byte of every stored forecast. */
const FORMAT_VERSION = 1;

/** All of a forecast but its paths, as JSON. Figures that are not finite stand as null. */
interface Header extends Omit<Forecast, 'point' | 'quantiles' | 'accuracy' | 'peak' | 'live'> {
  readonly steps: number;
  readonly levels: readonly number[];
  readonly peak: {
    readonly windowMs: number;
    readonly quantiles: readonly { quantile: number; value: number | null }[];
    readonly eventFactor?: number;
    readonly dayMean?: number;
  };
  readonly accuracy: { readonly [K in keyof Forecast['accuracy']]: number | null };
  readonly live?: StoredLive;
}

interface StoredLive extends Omit<LiveAccuracy, 'horizons' | 'errorVsNaive'> {
  readonly errorVsNaive: number | null;
  readonly horizons: readonly (Pick<LiveHorizon, 'horizon'> & {
    readonly [K in keyof Omit<LiveHorizon, 'horizon'>]: number | null;
  })[];
}

/**
 * A forecast as bytes: the version, the length of the header (32 bits), the header, then the point path and each
 * quantile's path as 32-bit floats. Seven digits are enough for a picture; the peak, which plans use, is exact.
 */
export function encodeForecast(forecast: Forecast): Uint8Array {
  const { point, quantiles, ...rest } = forecast;
  const header = new TextEncoder().encode(
    JSON.stringify({ ...rest, steps: point.length, levels: quantiles.map(({ quantile }) => quantile) }),
  );
  const bytes = new Uint8Array(5 + header.length + 4 * point.length * (1 + quantiles.length));
  const view = new DataView(bytes.buffer);
  view.setUint8(0, FORMAT_VERSION);
  view.setUint32(1, header.length, true);
  bytes.set(header, 5);
  let at = 5 + header.length;
  for (const path of [point, ...quantiles.map(({ values }) => values)]) {
    for (const value of path) {
      view.setFloat32(at, value, true);
      at += 4;
    }
  }
  return bytes;
}

/** @throws {RangeError} If another version of the program wrote the bytes. */
export function decodeForecast(bytes: Uint8Array): Forecast {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint8(0) !== FORMAT_VERSION) {
    throw new RangeError(`cannot read a stored forecast: its format is ${view.getUint8(0)}, not ${FORMAT_VERSION}`);
  }
  const length = view.getUint32(1, true);
  const { steps, levels, peak, accuracy, live, ...rest } = JSON.parse(
    new TextDecoder().decode(bytes.subarray(5, 5 + length)),
  ) as Header;
  const path = (index: number) =>
    Float64Array.from({ length: steps }, (_, i) => view.getFloat32(5 + length + 4 * (index * steps + i), true));
  return {
    ...rest,
    point: path(0),
    quantiles: levels.map((quantile, i) => ({ quantile, values: path(i + 1) })),
    peak: {
      ...peak,
      quantiles: peak.quantiles.map(({ quantile, value }) => ({ quantile, value: value ?? Number.NaN })),
    },
    accuracy: {
      mae: accuracy.mae ?? Number.NaN,
      maeVsLast: accuracy.maeVsLast ?? Number.NaN,
      coverage: accuracy.coverage ?? Number.NaN,
      origins: accuracy.origins ?? 0,
      // Forecasts stored before these figures existed lack them.
      peakVsNaive: accuracy.peakVsNaive ?? Number.NaN,
      peakCoverage: accuracy.peakCoverage ?? Number.NaN,
    },
    ...(live !== undefined && { live: decodeLive(live) }),
  };
}

function decodeLive({ horizons, errorVsNaive, coverageBroken }: StoredLive): LiveAccuracy {
  return {
    horizons: horizons.map(({ horizon, ...figures }) => {
      const known = Object.entries(figures).map(([name, value]) => [name, value ?? Number.NaN]);
      return { horizon, ...(Object.fromEntries(known) as Omit<LiveHorizon, 'horizon'>) };
    }),
    errorVsNaive: errorVsNaive ?? Number.NaN,
    coverageBroken,
  };
}
