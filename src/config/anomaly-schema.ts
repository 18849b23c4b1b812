import { z } from 'zod';

export const AnomalySection = z.strictObject({});
