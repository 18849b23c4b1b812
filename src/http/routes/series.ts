import type { Router } from 'express';
import type { Labels } from '../../model/labels.ts';
import { mountQuery } from '../route.ts';
import { answerAboutLabels, type LabelQuestionDeps } from './label-question.ts';

/** `GET|POST /api/v1/series`: label sets that match. */
export function seriesRoute(router: Router, deps: LabelQuestionDeps): void {
  mountQuery(router, '/api/v1/series', deps.limits.requestBytes, (request, response) =>
    answerAboutLabels<Labels>(request, response, deps, {
      find: (reader, ...question) => reader.series(...question),
      toJson: (labels) => JSON.stringify(Object.fromEntries(labels)),
      mayBeAll: false,
    }),
  );
}
