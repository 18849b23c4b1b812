import type { RegularSeries } from '../../model/series.ts';
import type { FineTuned, FineTuneOptions, Scores } from './fine-tune.ts';
import type { ModelBytes } from './model-file.ts';

/** A training as plain data, so that it can be sent to a thread. */
export interface TrainRequest extends Omit<FineTuneOptions, 'onEpoch'> {
  readonly series: readonly RegularSeries[];
  /** The network to go on from, and to beat. */
  readonly current: ModelBytes;
}

export type TrainResult =
  | {
      readonly kind: 'trained';
      /** The digest of its weights. */
      readonly version: string;
      readonly bytes: ModelBytes;
      readonly scores: Scores;
      readonly isBetter: boolean;
    }
  | Exclude<FineTuned, { kind: 'trained' }>;
