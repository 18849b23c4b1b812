import { seededRandom } from '../numeric/seeded-random.ts';

/** Minutes after a rush began until it has nearly its full size, and until a third of it is left. */
const ATTACK = 2;
const DECAY = 30;

/**
 * Days of demand at steps of a minute: a gentle day, noise of 3 %, and on some days a rush at one time of day that adds
 * four fifths of the usual demand within two minutes. The same every time.
 */
export function rushes(
  days: number,
  { hour, on }: { readonly hour: number; readonly on: (day: number) => boolean },
): Float64Array {
  const random = seededRandom(5);
  let noise = 0;
  return Float64Array.from({ length: days * 1440 }, (_, minute) => {
    noise = 0.7 * noise + 0.06 * (random() + random() - 1);
    const since = (minute % 1440) - hour * 60;
    const rush = on(Math.floor(minute / 1440)) && since > 0 ? Math.exp(-since / DECAY) : 0;
    const day = 0.6 + 0.4 * Math.sin((2 * Math.PI * ((minute % 1440) - 480)) / 1440);
    return 1000 * (day + 0.8 * rush * (1 - Math.exp((-2 * since) / ATTACK))) * Math.exp(noise);
  });
}
