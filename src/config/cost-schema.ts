import { z } from 'zod';

export const CostSection = z.strictObject({});
