import type { Millis } from '../../model/time.ts';
import type { TrainingOccasion } from './due-for-training.ts';
import type { Scores } from './fine-tune.ts';
import type { ModelBytes } from './model-file.ts';

/** What is known of one version of a tenant's network. */
export interface VersionScores {
  readonly trainedAt: Millis;
  readonly digest: string;
  /** The version that it was trained from and judged against. */
  readonly against: string;
  /** Why it was trained; left out where somebody asked for it. */
  readonly occasion?: TrainingOccasion;
  readonly scores: Scores;
}

export interface ModelVersion {
  readonly name: string;
  readonly isCurrent: boolean;
  /** Undefined for the shipped network, and where the file cannot be read. */
  readonly scores: VersionScores | undefined;
}

/** A tenant's own network that is in force. Plain data. */
export interface OwnModel {
  readonly version: string;
  readonly bytes: ModelBytes;
}

/** The network that comes with the program. It can always be gone back to. */
export const SHIPPED_VERSION = 'shipped';
