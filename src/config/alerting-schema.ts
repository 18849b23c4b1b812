import { z } from 'zod';

export const AlertingSection = z.strictObject({});
