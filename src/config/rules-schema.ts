import { z } from 'zod';

export const RulesSection = z.strictObject({});
